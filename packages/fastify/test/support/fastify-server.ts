/** Fastify applications on a free port, closed with everything that is open. */
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';

export interface RunningApp {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export function application(): FastifyInstance {
  return fastify({ forceCloseConnections: true });
}

export async function listen(app: FastifyInstance): Promise<RunningApp> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, close: () => app.close() };
}

/** Runs an application for the length of a test. */
export async function withApp(app: FastifyInstance, test: (running: RunningApp) => Promise<void>): Promise<void> {
  const running = await listen(app);
  try {
    await test(running);
  } finally {
    await running.close();
  }
}
