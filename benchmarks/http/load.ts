/**
 * Load without a library: connections that each send the same bytes again as soon as the answer is whole. Parsing is the least that tells
 * where an answer ends, so that the server is what is slow.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  readonly requests: number;
  /** ms of each request. */
  readonly latencies: readonly number[];
  readonly seconds: number;
}

export interface LoadOptions {
  readonly port: number;
  /** The bytes of a connection; it sends the same ones again and again. */
  readonly request: string | ((connection: number) => string);
  /** Checked in every answer, so that no row can measure something else. */
  readonly answer: string;
  readonly connections: number;
  readonly ms: number;
}

export async function load({ port, request, answer, connections, ms }: LoadOptions): Promise<Load> {
  const latencies: number[] = [];
  const start = performance.now();
  const until = start + ms;
  const one = (connection: number): Promise<void> => {
    const bytes = typeof request === 'string' ? request : request(connection);
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    return new Promise<void>((resolve, reject) => {
      let sent = 0;
      const send = (): void => {
        sent = performance.now();
        socket.write(bytes);
      };
      const whole = reader(answer, () => {
        const now = performance.now();
        latencies.push(now - sent);
        if (now < until) send();
        else socket.end();
      });
      socket.on('data', (chunk) => {
        try {
          whole(chunk.toString('latin1'));
        } catch (error) {
          end(socket, () => reject(error));
        }
      });
      socket.once('connect', send);
      socket.once('error', reject);
      socket.once('close', () => resolve());
    });
  };
  await Promise.all(Array.from({ length: connections }, (_, connection) => one(connection)));
  return { requests: latencies.length, latencies, seconds: (performance.now() - start) / 1000 };
}

function end(socket: Socket, then: () => void): void {
  socket.destroy();
  then();
}

/** Told what arrives; calls back at the end of every answer, after a look at its status and its body. */
function reader(answer: string, done: () => void): (text: string) => void {
  let buffered = '';
  return (text) => {
    buffered += text;
    const head = buffered.indexOf('\r\n\r\n');
    if (head < 0) return;
    const isChunked = /\r\ntransfer-encoding: chunked/i.test(buffered.slice(0, head));
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(buffered.slice(0, head + 2))?.[1] ?? Number.NaN);
    const isWhole = isChunked ? buffered.endsWith('0\r\n\r\n') : buffered.length - head - 4 >= length;
    if (!isWhole) return;
    if (!buffered.startsWith('HTTP/1.1 200 ') || !buffered.includes(answer)) {
      throw new Error(`not the answer that was expected: ${buffered.slice(0, 300)}`);
    }
    buffered = '';
    done();
  };
}
