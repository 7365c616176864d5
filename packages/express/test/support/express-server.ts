/** Express applications of either version on a free port, closed with everything that is open. */
import type { AddressInfo } from 'node:net';
import type { Express, Request, Response } from 'express';
import express5 from 'express';
import express4 from 'express4';

type ExpressModule = typeof express5;

export const versions: readonly { readonly name: string; readonly express: ExpressModule }[] = [
  { name: 'Express 5', express: express5 },
  { name: 'Express 4', express: express4 as unknown as ExpressModule },
];

export interface RunningApp {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export async function listen(app: Express): Promise<RunningApp> {
  // Errors are expected here; Express prints them unless this says test.
  app.set('env', 'test');
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
export async function withApp(app: Express, test: (running: RunningApp) => Promise<void>): Promise<void> {
  const running = await listen(app);
  try {
    await test(running);
  } finally {
    await running.close();
  }
}

/** What is left to read of a request, as text. */
export async function textOf(req: Request): Promise<string> {
  let text = '';
  for await (const chunk of req) text += String(chunk);
  return text;
}

export function drained(res: Response): Promise<void> {
  if (!res.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    // A response that closes never drains; whoever waits for it then waits for nothing.
    res.once('drain', resolve);
  });
}
