import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { atEnd, post } from '../support/harness.js';

const watchedGateway = fileURLToPath(new URL('../support/watched-gateway.mjs', import.meta.url));

describe('a prompt of one megabyte of one letter', () => {
  it.each([
    ['/api/generate', (text: string) => ({ model: 'm', prompt: text, stream: false })],
    ['/v1/chat/completions', (text: string) => ({ model: 'm', messages: [{ role: 'user', content: text }] })],
  ])('does not hold up the event loop on %s', async (path, bodyOf) => {
    const backend = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"done":true}'));
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    atEnd(async () => {
      backend.closeAllConnections();
      backend.close();
    });
    const backendUrl = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`;
    // In a process of its own, so that nothing else is counted.
    const child = spawn(process.execPath, [watchedGateway, backendUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
    atEnd(async () => child.kill());
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => (await lines.next()).value as string;
    const url = await next();
    // The least counts: what the gateway does it does each time, while compiling and collecting garbage come now and then.
    let [request, parse] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let times = 0; times < 20; times++) {
      child.stdin.write('\n');
      await next();
      const answer = await post(url + path, bodyOf('a'.repeat(1024 * 1024)));
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
      child.stdin.write('\n');
      const [requestMs = 0, parseMs = 0] = (await next()).split(' ').map(Number);
      request = Math.min(request, requestMs);
      parse = Math.min(parse, parseMs);
    }
    expect(request).toBeGreaterThan(parse);
    expect(request).toBeLessThan(100 * parse);
  });
});
