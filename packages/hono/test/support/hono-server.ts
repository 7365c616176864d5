/** Hono applications on a free port: with Node's own request and response at hand, and without. */
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { serveFetch } from '../../../core/test/support/fetch-server.js';

export interface RunningApp {
  readonly url: string;
  close(): Promise<void>;
}

/** Whatever variables an application declares, it answers requests. */
interface App {
  fetch(request: Request, env?: object): Response | Promise<Response>;
}

type Start = (app: App) => Promise<RunningApp>;

const onNode: Start = async (app) => {
  const server = createAdaptorServer({ fetch: app.fetch });
  server.listen(0, '127.0.0.1');
  await new Promise<void>((resolve) => server.once('listening', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        (server as { closeAllConnections(): void }).closeAllConnections();
      }),
  };
};

const onFetch: Start = (app) => serveFetch((request, peer) => app.fetch(request, { peer }));

export const runtimes: readonly { readonly name: string; readonly start: Start }[] = [
  { name: 'Hono on node-server', start: onNode },
  { name: 'Hono on bare fetch', start: onFetch },
];

/** Runs an application for the length of a test. */
export async function withApp(start: Start, app: App, test: (running: RunningApp) => Promise<void>): Promise<void> {
  const running = await start(app);
  try {
    await test(running);
  } finally {
    await running.close();
  }
}

/** The client's connection, as each runtime tells it. */
export function peerOf(env: unknown): { readonly address: string; readonly port: number } {
  const { peer, incoming } = env as {
    peer?: { address: string; port: number };
    incoming?: { socket: { remoteAddress: string; remotePort: number } };
  };
  return peer ?? { address: incoming!.socket.remoteAddress, port: incoming!.socket.remotePort };
}
