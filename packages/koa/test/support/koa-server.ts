/** Koa applications of either version on a free port, closed with everything that is open. */
import type { AddressInfo } from 'node:net';
import Koa3 from 'koa';
import Koa2 from 'koa2';

export type KoaModule = typeof Koa3;

export const versions: readonly { readonly name: string; readonly Koa: KoaModule }[] = [
  { name: 'Koa 3', Koa: Koa3 },
  { name: 'Koa 2', Koa: Koa2 as unknown as KoaModule },
];

export interface RunningApp {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export async function listen(app: Koa3): Promise<RunningApp> {
  // Errors are expected here; Koa prints them unless this says otherwise.
  app.silent = true;
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Runs an application for the length of a test. */
export async function withApp(app: Koa3, test: (running: RunningApp) => Promise<void>): Promise<void> {
  const running = await listen(app);
  try {
    await test(running);
  } finally {
    await running.close();
  }
}

/** What is left to read of a request, as text. */
export async function textOf(req: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of req) text += String(chunk);
  return text;
}
