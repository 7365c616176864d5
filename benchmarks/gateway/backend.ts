/** The server behind every contestant, as a process: answers at once, or streams at the pace that it was told. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventText, type Pace, smallAnswer } from './workloads.js';

let pace: Pace = { chunks: 50, everyMs: 20, firstMs: 20 };

const nowUs = (): string => (process.hrtime.bigint() / 1_000n).toString();

function stream(response: ServerResponse, arrived: string, { chunks, everyMs, firstMs }: Pace, usage: boolean): void {
  let left = chunks;
  const send = (): void => {
    if (response.destroyed) return;
    left -= 1;
    response.write(eventText(left === chunks - 1 ? ` ${arrived} ${nowUs()}` : ` ${nowUs()}`, left === 0));
    if (left > 0) setTimeout(send, everyMs);
    else {
      if (usage)
        response.write(
          'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":64,"completion_tokens":50}}\n\n',
        );
      response.end('data: [DONE]\n\n');
    }
  };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  setTimeout(send, firstMs);
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === 'GET') {
    response.writeHead(request.url === '/api/version' ? 200 : 404).end('{}');
    return;
  }
  const arrived = nowUs();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks).toString('latin1');
    if (body.includes('"stream":true')) stream(response, arrived, pace, body.includes('"include_usage":true'));
    else {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': smallAnswer.length });
      response.end(smallAnswer);
    }
  });
});
server.on('clientError', (_error, socket) => socket.destroy());
server.listen(0, '127.0.0.1', 4_096, () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', (next: Pace) => {
  pace = next;
  process.send!({ paced: true });
});
process.on('disconnect', () => process.exit());
