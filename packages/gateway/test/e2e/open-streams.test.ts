import { type AddressInfo, createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { atEnd, chat, gatewayFor, until } from '../support/harness.js';
import { rawClient } from '../support/raw.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function bytesInUse(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Reads each request, keeps nothing of it, answers with one event and leaves the stream open. */
async function backendThatForgets(): Promise<{ readonly url: string; readonly answered: () => number }> {
  let answered = 0;
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n';
  const event = `${JSON.stringify({ model: chat.model, message: { role: 'assistant', content: 'a' }, done: false })}\n`;
  const server = createServer((socket) => {
    let rest = -1;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (rest >= 0) rest -= chunk.length;
      else {
        const text = chunk.toString('latin1');
        if (text.includes('headgate-probe')) return void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        rest = Number(/content-length: (\d+)/.exec(text)![1]) - (chunk.length - text.indexOf('\r\n\r\n') - 4);
      }
      if (rest !== 0) return;
      answered += 1;
      socket.write(`${head}${event.length.toString(16)}\r\n${event}\r\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, answered: () => answered };
}

it('an open stream keeps no more of its prompt than the bytes that were sent to the backend', async () => {
  const backend = await backendThatForgets();
  const gateway = await gatewayFor({ backends: [{ url: backend.url, slots: 100 }] });
  const promptBytes = 200_000;
  const body = JSON.stringify({
    ...chat,
    stream: true,
    messages: [{ role: 'user', content: 'a '.repeat(promptBytes / 2) }],
  });
  const request = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const open = async (count: number): Promise<void> => {
    const before = backend.answered();
    for (let i = 0; i < count; i++) {
      const client = await rawClient(gateway.port);
      client.send(request);
      await until(() => client.received().includes('"content"'), 'its first event is here');
    }
    expect(backend.answered()).toBe(before + count);
  };
  await open(5);
  const before = bytesInUse();
  await open(40);
  const each = (bytesInUse() - before) / 40;
  expect(each).toBeLessThan(1.5 * promptBytes);
});
