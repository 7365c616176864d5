/** A gateway in front of simulated servers, all closed at the end of the test. */
import type { IncomingHttpHeaders } from 'node:http';
import { type FakeOllama, type FakeOllamaOptions, type SeenRequest, startFakeOllama } from '@headgate/fake-ollama';
import { afterEach } from 'vitest';
import { ownAddress } from '../../../../test/support/addresses.js';
import { patienceMs } from '../../../../test/support/patience.js';
import { type Gateway, startGateway } from '../../src/index.js';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Runs when the test is over, last registered first. */
export function atEnd(close: () => Promise<unknown>): void {
  closers.push(close);
}

/** Whether the gateway asks for itself. */
export function isProbe({ headers }: { readonly headers: IncomingHttpHeaders }): boolean {
  return headers['user-agent'] === 'headgate-probe';
}

/** A simulated server; what it has `seen` leaves out the gateway's probes. */
export async function fake(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const server = await startFakeOllama(options);
  atEnd(() => server.close());
  const waitFor: FakeOllama['waitFor'] = (predicate) => server.waitFor(predicate, patienceMs);
  return Object.create(server, {
    seen: { get: () => server.seen.filter((request: SeenRequest) => !isProbe(request)) },
    waitFor: { value: waitFor },
  }) as FakeOllama;
}

/** An address where nobody listens. */
export const deadUrl = (): string => `http://${ownAddress()}:9`;

export interface Setup {
  readonly gateway: Gateway;
  readonly url: string;
  /** The only server, or the first of several. */
  readonly backend: FakeOllama;
  readonly backends: readonly FakeOllama[];
  /** Parsed lines of the access log. */
  readonly log: Record<string, unknown>[];
}

export interface SetupOptions {
  readonly backends?: readonly FakeOllamaOptions[];
  readonly slots?: number;
}

export async function setup(policy: object, { backends = [{}], slots = 4 }: SetupOptions = {}): Promise<Setup> {
  const servers: FakeOllama[] = [];
  for (const options of backends) servers.push(await fake({ numParallel: slots, ...options }));
  const log: Record<string, unknown>[] = [];
  const gateway = await gatewayFor(
    { ...policy, backends: servers.map(({ url }, index) => ({ url, name: `b${index + 1}`, slots })) },
    log,
  );
  return { gateway, url: gateway.url, backend: servers[0]!, backends: servers, log };
}

export async function gatewayFor(policy: object, log: Record<string, unknown>[] = []): Promise<Gateway> {
  const write = (text: string): void => void log.push(JSON.parse(text) as Record<string, unknown>);
  const gateway = await startGateway({ policy, port: 0, log: { write } });
  atEnd(() => gateway.close({ drainMs: 0 }));
  return gateway;
}

/** Resolves once the condition holds; looks on every turn of the event loop. */
export async function until(condition: () => boolean, what: string, timeoutMs = patienceMs): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export const generate = { model: 'llama3.2', prompt: 'hi', stream: false };
export const chat = { model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }], stream: false };
