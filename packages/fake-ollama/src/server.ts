import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostAllowed, hostIsLocalName, isSameOrigin, originAllowed } from './access.js';
import { ApiError } from './api-error.js';
import { Cancelled } from './cancellation.js';
import { Exchange } from './exchange.js';
import { FaultBox, type Faults } from './faults.js';
import { runnerStopped } from './generation.js';
import { ModelCatalog } from './models.js';
import { type FakeOllamaOptions, settingsFrom } from './options.js';
import { flatHeaders, nowMs, Recorder, type SeenRequest, type Stats } from './record.js';
import { type Match, Router } from './router.js';
import { routes } from './routes/routes.js';
import { Scheduler } from './scheduler.js';
import { ollamaError } from './wire/ollama.js';
import type { World } from './world.js';

export interface FakeOllama {
  readonly url: string;
  readonly port: number;
  /** Every request, in order of arrival. */
  readonly seen: SeenRequest[];
  /** What the fake ollama.com received for cloud models. */
  readonly cloud: SeenRequest[];
  stats(): Stats;
  /** Changes faults while running; requests that hang or stall notice. */
  set(faults: Partial<Faults>): void;
  /** Clears `seen`, `cloud`, the totals and the maxima. */
  reset(): void;
  /** Resolves when no request of any kind is in flight. */
  idle(): Promise<void>;
  /** Resolves once the predicate holds, looking whenever something changes. Rejects after `timeoutMs` (5000) with a sentence. */
  waitFor(predicate: (server: FakeOllama) => boolean, timeoutMs?: number): Promise<void>;
  /** The server dies: all connections break and nobody listens any more. */
  crash(): void;
  /** Stops listening and cuts what is still running. */
  close(): Promise<void>;
}

/** Starts a server; rejects with the error of the socket (such as EADDRINUSE) or a RangeError for bad options. */
export async function startFakeOllama(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const settings = settingsFrom(options);
  const faults = new FaultBox(options.faults);
  const recorder = new Recorder(settings.remember);
  const world: World = {
    settings,
    models: new ModelCatalog(settings.models),
    scheduler: new Scheduler(settings, faults, recorder),
    faults,
    recorder,
    blobs: new Set(),
  };
  const router = new Router(routes);
  const open = new Set<Exchange>();
  // Ollama has no timeouts and does not mind missing Host headers.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, requireHostHeader: false });
  server.headersTimeout = 0;
  server.on('request', (request, response) => void serve(world, router, open, request, response));
  await listen(server, settings.port, settings.host);
  return handleOf(world, server, open);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function handleOf(world: World, server: Server, open: Set<Exchange>): FakeOllama {
  const { recorder, scheduler, faults } = world;
  const { port, address } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  const stop = (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const exchange of [...open]) exchange.die('close');
    server.closeAllConnections();
    scheduler.close();
    return closed;
  };
  const stats = (): Stats => {
    const { inFlight, inFlightMax, running, runningMax, waiting, aborted, completed, loads, unloads } = recorder;
    const loaded = scheduler.loadedNames();
    return { inFlight, inFlightMax, running, runningMax, waiting, aborted, completed, loads, unloads, loaded };
  };
  const describe = (): string => {
    const last = recorder.seen
      .slice(-5)
      .map((request) => `${request.method} ${request.path} ${request.outcome ?? 'open'}`);
    return `stats are ${JSON.stringify(stats())} and the last requests [${last.join('; ')}]`;
  };
  const handle: FakeOllama = {
    url: `http://${host}:${port}`,
    port,
    seen: recorder.seen,
    cloud: recorder.cloud,
    stats,
    set: (changes) => {
      faults.set(changes);
      recorder.changed();
    },
    reset: () => recorder.reset(),
    idle: () => recorder.waitFor(() => recorder.open === 0, Number.POSITIVE_INFINITY, describe),
    waitFor: (predicate, timeoutMs = 5000) => recorder.waitFor(() => predicate(handle), timeoutMs, describe),
    crash: () => void stop(),
    close: stop,
  };
  return handle;
}

async function serve(
  world: World,
  router: Router,
  open: Set<Exchange>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = request.method ?? 'GET';
  const rawUrl = request.url ?? '/';
  const match = router.match(method, rawUrl);
  const seen: SeenRequest = {
    id: world.recorder.nextId(),
    method,
    path: match.path,
    rawUrl,
    headers: flatHeaders(request.headers),
    body: Buffer.alloc(0),
    startedAt: nowMs(),
    tokensSent: 0,
  };
  const exchange = new Exchange(request, response, seen, match.query, world.recorder, world.faults);
  open.add(exchange);
  response.once('close', () => open.delete(exchange));
  try {
    await dispatch(world, exchange, match);
  } catch (error) {
    fail(exchange, match, error);
  } finally {
    exchange.handled();
  }
}

async function dispatch(world: World, exchange: Exchange, match: Match): Promise<void> {
  if (match.kind === 'bad-request') {
    exchange.text(400, '400 Bad Request', { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    return;
  }
  if (match.kind === 'redirect') {
    exchange.reply(match.status, '', { location: match.location });
    return;
  }
  if (!admitted(world, exchange)) return;
  if (match.kind === 'not-found') exchange.text(404, '404 page not found');
  else if (match.kind === 'method-not-allowed') exchange.text(405, '405 method not allowed', { allow: match.allow });
  else {
    const { route, rest } = match;
    if (route.kind === 'inference') exchange.countAsInference();
    if (route.kind === 'health') await applyHealthFaults(world, exchange);
    await route.handle({ world, exchange, rest });
  }
}

const PREFLIGHT_HEADERS = [
  ...['Authorization', 'Content-Type', 'User-Agent', 'Accept', 'X-Requested-With', 'Openai-Beta', 'X-Stainless-Arch'],
  ...['X-Stainless-Async', 'X-Stainless-Custom-Poll-Interval', 'X-Stainless-Helper-Method', 'X-Stainless-Lang'],
  ...['X-Stainless-Os', 'X-Stainless-Package-Version', 'X-Stainless-Poll-Helper', 'X-Stainless-Retry-Count'],
  ...['X-Stainless-Runtime', 'X-Stainless-Runtime-Version', 'X-Stainless-Timeout'],
].join(',');

/** The checks of `Host` and `Origin`, and preflights. Answers and returns false when the request ends here. */
function admitted(world: World, exchange: Exchange): boolean {
  const { settings } = world;
  const { host = '', origin = '' } = exchange.seen.headers;
  if (origin !== '' && settings.checkOrigin && !originAllowed(origin, host, settings.origins)) {
    exchange.reply(403, '', {});
    return false;
  }
  if (origin !== '' && !isSameOrigin(origin, host)) {
    const any = !settings.checkOrigin || settings.origins.includes('*');
    exchange.setHeaders(
      any ? { 'access-control-allow-origin': '*' } : { 'access-control-allow-origin': origin, vary: 'Origin' },
    );
    if (exchange.seen.method === 'OPTIONS') {
      exchange.setHeaders({
        'access-control-allow-methods': 'GET,POST,PUT,PATCH,DELETE,HEAD',
        'access-control-allow-headers': PREFLIGHT_HEADERS,
        'access-control-max-age': '43200',
      });
      exchange.begin(204, {});
      exchange.end();
      return false;
    }
  }
  if (settings.checkHost && !hostAllowed(host)) {
    exchange.reply(403, '', {});
    return false;
  }
  if (settings.checkHost && exchange.seen.method === 'OPTIONS' && hostIsLocalName(host)) {
    exchange.begin(204, {});
    exchange.end();
    return false;
  }
  return true;
}

async function applyHealthFaults(world: World, exchange: Exchange): Promise<void> {
  const { healthDelayMs, healthStatus } = world.faults.current;
  if (healthDelayMs > 0) await exchange.cancellation.sleep(healthDelayMs);
  if (healthStatus !== undefined) throw new ApiError(healthStatus, `injected fault: status ${healthStatus}`);
}

/** An error before the first byte is a normal answer in the dialect of the route. */
function fail(exchange: Exchange, match: Match, error: unknown): void {
  const { reason } = exchange.cancellation;
  if (reason === 'client-gone' || reason === 'server-dead') return;
  // The connection broke while the body was still coming.
  if (exchange.request.errored) return;
  const known = error instanceof Cancelled ? runnerStopped(exchange) : error;
  if (!(known instanceof ApiError) || match.kind !== 'route' || exchange.begun) {
    // A bug of the fake; like gin's recovery from a panic.
    if (!exchange.begun) exchange.reply(500, '', {});
    process.emitWarning(known instanceof Error ? known : new Error(String(known)));
    return;
  }
  const render = known.native ? ollamaError : match.route.renderError;
  render(exchange, known);
}
