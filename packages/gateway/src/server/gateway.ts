/** A gateway in this process: the limiter, the server in front of it and the connections behind it. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { Gate, Limiter, type Policy, parsePolicy } from '@headgate/core';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import type { SharedStore } from '@headgate/redis';
import { Metrics } from '../admin/metrics.js';
import { AdminPages } from '../admin/pages.js';
import { Readiness } from '../admin/readiness.js';
import { httpProbe } from '../backends/probe.js';
import { Dashboard } from '../dashboard/dashboard.js';
import { Upstreams } from '../exchange/upstream.js';
import { Jobs } from '../jobs/jobs.js';
import { type LogSink, ReopenedLog } from '../log/access-log.js';
import { logEvents, logLost } from '../log/events.js';
import { beginSpan } from '../trace/request-span.js';
import { Handler } from './handler.js';
import { createHttpServer, type HttpServer } from './http-server.js';
import { Origins } from './origins.js';
import { connect, sharedStore } from './store.js';

export interface GatewayOptions {
  /** As written, or as `parsePolicy` returned it. */
  readonly policy: object;
  /** Instead of the policy's; 0 takes any free one. */
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  /** Instead of the policy's: addresses, or entries as in a policy. */
  readonly backends?: readonly (string | object)[] | undefined;
  /** Where the access log goes instead of where the policy says; false for nowhere. */
  readonly log?: false | LogSink | undefined;
}

export interface Gateway {
  readonly url: string;
  readonly port: number;
  readonly host: string;
  /** The one in force. */
  readonly policy: Policy;
  readonly limiter: Limiter;
  /**
   * Puts another policy in force, as written or as parsed, or what reads it; requests that run or wait go on. What was given
   * to `startGateway` beside the policy still goes before it.
   * @returns the keys whose change takes effect at the next start only: `listen`, `store`
   * @throws PolicyError for a policy that cannot be used, HeadgateError `HG_LOG` for a log that cannot be written, or what
   * reading throws; the policy from before stays in force
   */
  reload(policy: object | (() => Promise<object>)): Promise<readonly string[]>;
  /**
   * Stops accepting, answers those who wait with 503 `draining`, lets running answers end for `drainMs` (the policy's unless
   * given), then cuts what is left. Resolves when every connection is closed.
   */
  close(options?: { readonly drainMs?: number | undefined }): Promise<void>;
}

/** Where Ollama listens unless it was told otherwise. */
export const ollamaUrl = 'http://127.0.0.1:11434';
/** Answers that were cut get this long to reach their clients. */
const flushMs = 1_000;

/**
 * Starts a gateway and resolves once it listens.
 * @throws PolicyError for a policy that cannot be used
 * @throws the socket's error, such as `EADDRINUSE`
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const policy = policyOf(options);
  let parts: Parts | undefined;
  const store = sharedStore(policy, (settlements, cause) => {
    parts?.metrics.lost(settlements);
    if (parts?.log !== undefined) logLost(parts.log, settlements, cause);
  });
  try {
    parts = assemble(policy, options, store);
    await parts.jobs.prepare();
    if (store !== undefined) await connect(store);
    const host = options.host ?? policy.listen.host;
    await listen(parts.server, options.port ?? policy.listen.port, host);
    parts.jobs.configure();
    return started(parts, options, host);
  } catch (error) {
    // Its probes and its store would go on and keep the process alive.
    await (parts === undefined ? store?.close() : shutDown(parts, 0));
    throw error;
  }
}

function started(parts: Parts, options: GatewayOptions, host: string): Gateway {
  const { server, limiter } = parts;
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  let closing: Promise<void> | undefined;
  return {
    ...{ url, port, host, limiter },
    get policy() {
      return limiter.policy;
    },
    reload: async (next) => {
      try {
        const policy = policyOf({ ...options, policy: typeof next === 'function' ? await next() : next });
        if (closing !== undefined) return [];
        const pending = await reload(parts, options, policy);
        parts.metrics.reloaded(true);
        return pending;
      } catch (error) {
        parts.metrics.reloaded(false);
        throw error;
      }
    },
    close: ({ drainMs = limiter.policy.drainMs } = {}) => {
      closing ??= shutDown(parts, drainMs);
      return closing;
    },
  };
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

async function reload(
  { limiter, log, jobs, dashboard, configure }: Parts,
  options: GatewayOptions,
  next: Policy,
): Promise<readonly string[]> {
  const { listen, store, admin } = limiter.policy;
  const { host = next.listen.host, port = next.listen.port } = options;
  const isElsewhere = host !== (options.host ?? listen.host) || port !== (options.port ?? listen.port);
  const replaceLog = log?.prepare(next.log);
  await limiter.reload({ ...next, listen, store });
  replaceLog?.();
  configure();
  jobs.configure();
  if (admin.key !== next.admin.key) dashboard.cut();
  return [...(isElsewhere ? ['listen'] : []), ...(isDeepStrictEqual(store, next.store) ? [] : ['store'])];
}

interface Parts extends HttpServer {
  readonly limiter: Limiter;
  readonly upstreams: Upstreams;
  readonly jobs: Jobs;
  readonly metrics: Metrics;
  readonly dashboard: Dashboard;
  readonly log: ReopenedLog | undefined;
  readonly handler: Handler;
}

function assemble(policy: Policy, options: GatewayOptions, store: SharedStore | undefined): Parts {
  const limiter: Limiter = new Limiter(policy, {
    ...(store === undefined ? {} : { store }),
    probe: httpProbe(() => limiter.policy.pool.health),
    verifyToken: jwtVerifier(),
  });
  const { clock } = limiter;
  const log = options.log === false ? undefined : new ReopenedLog(policy.log, clock, options.log);
  const upstreams = new Upstreams(clock);
  const readiness = new Readiness(limiter);
  const metrics = new Metrics(limiter, () => jobs.backlog);
  const gate = new Gate({ limiter, dialects: defaultDialects, otherPaths: 'refuse' });
  const onError = (error: unknown): void => log?.error(error);
  const jobs = new Jobs({ limiter, gate, onError, handle: (...own) => handler.handleOwn(...own) });
  const dashboard = new Dashboard(limiter, onError);
  const origins = new Origins({
    policy: () => limiter.policy,
    address: () => (http.server.address() as AddressInfo | null)?.address ?? '',
  });
  const handler = new Handler({
    ...{ limiter, upstreams, gate, jobs, origins, onError },
    pages: new AdminPages({
      adminKey: () => limiter.policy.admin.key,
      ready: () => readiness.now(),
      metrics: () => metrics.page(),
      dashboard: dashboard.pages(),
    }),
    trace: (request, began) => beginSpan(request, clock, began),
    onDone: (record) => {
      metrics.observe(record);
      record.trace?.end(record);
      dashboard.observe(record);
      log?.request(record);
    },
    onServed: (record) => {
      record.trace?.end(record);
      log?.request(record);
    },
  });
  if (log !== undefined) logEvents(limiter, log);
  leaveHungBackends(limiter, upstreams);
  const http = createHttpServer({
    policy: () => limiter.policy,
    onRequest: handler.handle.bind(handler),
    onMalformed: handler.malformed.bind(handler),
    onUnreadable: handler.unreadable.bind(handler),
  });
  return { limiter, ...http, upstreams, jobs, metrics, dashboard, log, handler };
}

async function shutDown(
  { limiter, server, connections, upstreams, jobs, dashboard, log, handler }: Parts,
  drainMs: number,
): Promise<void> {
  const { clock } = limiter;
  jobs.stop();
  const until = clock.now() + drainMs;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await limiter.close({ drainMs });
  // Until here it shows how those end who still run.
  dashboard.close();
  connections.drain();
  const cut = clock.after(Math.max(flushMs, until - clock.now()), () => connections.cut());
  await closed;
  cut.cancel();
  await jobs.close();
  upstreams.close();
  await handler.untold.none(clock, flushMs);
  log?.close();
}

function policyOf({ policy, backends }: GatewayOptions): Policy {
  const parsed = 'keysMax' in policy ? (policy as Policy) : parsePolicy(policy);
  const given = backends ?? (parsed.backends.length === 0 ? [ollamaUrl] : undefined);
  return given === undefined ? parsed : { ...parsed, backends: parsePolicy({ backends: given }).backends };
}

/** What waits for the first byte of a backend that stands still goes elsewhere now, where the policy tries that again. */
function leaveHungBackends(limiter: Limiter, upstreams: Upstreams): void {
  limiter.on('backend-ejected', ({ backend, cause }) => {
    if (cause === 'hung' && limiter.policy.pool.retry.on.includes('first-byte')) upstreams.giveUp(backend);
  });
}
