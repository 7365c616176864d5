/** Ports that nobody uses, and whether something like Redis answers on one. */
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';

/** A Cluster node listens on its port and on this much above it. */
export const busOffset = 10_000;
const portMin = 20_000;
const portMax = 30_000;

/** A port that is free, and the one for a Cluster's bus above it too. Far from 6379, and from the ports that systems hand out. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(portMin, portMax);
    if ((await isFree(port)) && (await isFree(port + busOffset))) return port;
  }
  throw new Error('found no free port');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Whether a server on the port answers, and has loaded its data. */
export function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answers: boolean): void => {
      socket.destroy();
      // A pause, so that a loop around this does not spin.
      if (answers) resolve(true);
      else setTimeout(resolve, 10, false);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (answer) => end(answer.toString().startsWith('+PONG')));
  });
}
