// A proxy in front of Ollama, put together by hand: Express, ollamaLimiter with a pool of backends, and http-proxy-3.
// It shows which part does what; `headgate serve` is the same idea with retries, metrics, an access log and a policy file.
//
//   BACKENDS=http://127.0.0.1:11434,http://127.0.0.1:11435 npm start
//   curl -i http://127.0.0.1:8080/api/chat -H 'authorization: Bearer anything' \
//        -d '{"model":"llama3.2","messages":[{"role":"user","content":"hello"}]}'
import { Agent } from 'node:http';
import { ollamaLimiter } from '@headgate/express';
import express from 'express';
import { createProxyServer } from 'http-proxy-3';

const backends = (process.env.BACKENDS ?? 'http://127.0.0.1:11434').split(',');

// Who may do what. A request waits for a free slot, in turn; it never reaches a backend that has none.
const headgate = ollamaLimiter({
  requests: '60/min burst 10',
  tokens: '100k/hour',
  output: 4096,
  backends: backends.map((url) => ({ url, slots: 1 })),
  queue: { depth: 200, wait: '30s' },
});

// Forwarding. The limiter has put the checked body in place of the client's; the proxy just pipes it. Connections are kept:
// a backend's `Connection: close` would reach the client, and some clients then take a broken stream for a whole one.
const proxy = createProxyServer({ changeOrigin: true, agent: new Agent({ keepAlive: true }) });

proxy.on('proxyReq', (proxyReq, req) => {
  // Credentials of clients are for us, not for the backend.
  for (const name of ['authorization', 'x-api-key', 'cookie', 'origin']) proxyReq.removeHeader(name);
  // Aborts when the client has left, the token budget is spent, or the server's time to drain is over.
  req.headgate.permit.signal.addEventListener('abort', () => proxyReq.destroy(), { once: true });
});

proxy.on('proxyRes', (proxyRes, _req, res) => {
  // The proxy does not notice a backend that dies in the middle of its answer; without this the client would wait for ever.
  proxyRes.once('close', () => {
    if (!proxyRes.complete && !res.writableEnded) res.destroy();
  });
});

const app = express();
app.use(headgate);
app.use((req, res) => {
  const { permit } = req.headgate;
  proxy.web(req, res, { target: permit.backend.url }, (error) => {
    if (res.headersSent || res.destroyed) return;
    console.error(`${permit.backend.name}: ${error.message}`);
    res.status(502).json({ error: `backend ${permit.backend.name} did not answer` });
  });
});

export const server = app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}, in front of ${backends.join(' and ')}`);
});

// Stop taking requests, let running answers end, then go.
process.once('SIGTERM', async () => {
  await headgate.limiter.close();
  server.close();
  server.closeIdleConnections();
});
