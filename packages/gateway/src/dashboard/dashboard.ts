/** The live page for operators: what it remembers of requests, and the snapshots that it makes of that and of the limiter. */
import type { ServerResponse } from 'node:http';
import type { AdmitRequest, Limit, Limiter, LimitState, Policy } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';
import { pageAssets, securityHeaders } from './assets.js';
import { RecentIdentities } from './identities.js';
import { shown } from './names.js';
import { TokenRate } from './rate.js';
import { RecentRefusals } from './refusals.js';
import type { BackendView, Now, Snapshot } from './snapshot.js';
import { type Frames, SnapshotStream } from './stream.js';
import { Tally } from './tally.js';
import { stepMs, steps, Timeline } from './timeline.js';

/** Of one backend. */
const modelsMax = 16;
/** A step goes on changing until it is over, and a snapshot may come a little after that. */
const stepsChanging = 2;

export class Dashboard {
  readonly #limiter: Limiter;
  readonly #identities = new RecentIdentities();
  readonly #refusals = new RecentRefusals();
  readonly #timeline = new Timeline();
  readonly #rate = new TokenRate();
  readonly #requests = new Tally();
  readonly #refused = new Tally();
  readonly #stream: SnapshotStream;
  #isStoreUp = true;

  constructor(limiter: Limiter, onError: (error: unknown) => void = () => {}) {
    this.#limiter = limiter;
    this.#stream = new SnapshotStream({
      clock: limiter.clock,
      snapshot: () => this.#frames(),
      onIdle: () => this.#rate.forget(),
      onError,
    });
    this.#listen(limiter);
  }

  /** What is answered for each path. */
  pages(): ReadonlyMap<string, (response: ServerResponse) => void> {
    return new Map([...pageAssets(), ['/dashboard/events', (response) => this.#open(response)]]);
  }

  #listen(limiter: Limiter): void {
    const { clock } = limiter;
    limiter.on('request-admitted', (event) => this.#identities.admitted(event, clock.wall()));
    limiter.on('permit-released', (event) => this.#identities.released(event));
    limiter.on('request-would-refuse', ({ identity, operation, model, reason, limit, retryAfterMs }) => {
      const wall = clock.wall();
      this.#timeline.refused('shadow', wall);
      this.#identities.refused(identity, { reason, limit, mode: 'shadow' }, wall);
      this.#refusals.add(wall, {
        ...{ who: identity.id, operation, model, reason, limit, retryAfterMs, mode: 'shadow' },
      });
    });
    limiter.on('store-down', () => {
      this.#isStoreUp = false;
    });
    limiter.on('store-up', () => {
      this.#isStoreUp = true;
    });
  }

  /** A request is over. */
  observe(record: RequestRecord): void {
    const wall = this.#limiter.clock.wall();
    const { about, refusal, usage, waitedMs } = record;
    this.#requests.add(1, wall);
    if (waitedMs !== undefined && isOfQueue(record)) this.#timeline.waited(waitedMs, wall);
    const identity = about?.identity;
    if (identity !== undefined) {
      const tokens = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
      this.#identities.done(identity, about ?? {}, record.method, tokens, wall);
    }
    if (refusal === undefined) return;
    const { reason, limit, retryAfterMs } = refusal;
    this.#refused.add(1, wall);
    this.#timeline.refused('refused', wall);
    if (identity !== undefined) this.#identities.refused(identity, { reason, limit, mode: 'enforce' }, wall);
    this.#refusals.add(wall, {
      who: identity?.id ?? about?.address ?? record.peer,
      operation: about?.operation ?? '',
      model: about?.model ?? '',
      ...{ reason, limit, retryAfterMs, mode: 'enforce' },
    });
  }

  #open(response: ServerResponse): void {
    const { method, headers } = response.req;
    // A page of somebody else cannot read the stream, but could take the places of those who may.
    if (!['same-origin', 'none', undefined].includes(headers['sec-fetch-site'] as string | undefined)) {
      answer(response, 403, 'the events are for the dashboard itself.');
      return;
    }
    const live = { ...securityHeaders, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
    if (method === 'HEAD') {
      response.writeHead(200, live);
      response.end();
      return;
    }
    if (!this.#stream.mayJoin) {
      response.setHeader('retry-after', '5');
      answer(response, 503, 'too many dashboards are open, or the gateway is being stopped.');
      return;
    }
    response.writeHead(200, live);
    this.#stream.join(response);
  }

  /** Has those who watch ask again whether they may, since the key is another. */
  cut(): void {
    this.#stream.cut();
  }

  /** Ends the streams of those who watch. */
  close(): void {
    this.#stream.close();
  }

  async #frames(): Promise<Frames> {
    const snapshot = await this.snapshot();
    const rows = this.#timeline.rows(snapshot.at, stepsChanging);
    const change: Snapshot = { ...snapshot, timeline: { ...snapshot.timeline, rows } };
    return { whole: JSON.stringify(snapshot), change: JSON.stringify(change) };
  }

  /** Without its store a limiter may know of no limits, which is not that there are none. */
  async #peek(request: AdmitRequest): Promise<readonly LimitState[] | undefined> {
    const states = await this.#limiter.peek(request);
    return states.length === 0 && !this.#isStoreUp ? undefined : states;
  }

  async snapshot(): Promise<Snapshot> {
    const limiter = this.#limiter;
    const wall = limiter.clock.wall();
    const stats = limiter.stats();
    this.#rate.read(limiter.clock.now(), stats.tokens);
    const { inFlight, waiting, queue, backends } = stats;
    const { perSecond: tokensPerSecond } = this.#rate;
    const now: Now = {
      ...{ inFlight, waiting, waitingBy: queue.waiting, oldestMs: Math.round(queue.oldestMs) },
      ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
      ...{ refused: this.#refused.sum(wall), requests: this.#requests.sum(wall) },
    };
    return {
      ...{ at: Math.round(wall), draining: limiter.closing, storeUp: this.#isStoreUp, now },
      backends: backends.map(({ name, slots, used, state, usable, models }): BackendView => {
        const inMemory = [...models].reverse().slice(0, modelsMax).map(shown);
        // Its address and headers stay here: they may hold credentials.
        return { name: shown(name), slots, used, state, usable, models: inMemory };
      }),
      ...(await this.#identities.views(wall, {
        peek: (request) => this.#peek(request),
        find: (name, tier) => limitNamed(limiter.policy, name, tier),
      })),
      refusals: this.#refusals.latest(),
      timeline: { stepMs, steps, rows: this.#timeline.rows(wall) },
    };
  }
}

/** Whether its wait tells something of the queue: it was let through, or sent away from there. */
function isOfQueue({ about, decision, refusal }: RequestRecord): boolean {
  if (about?.operation === undefined || about.operation === 'models') return false;
  return decision === 'admitted' || refusal?.reason.startsWith('queue') === true;
}

function limitNamed({ tiers, limits }: Policy, name: string, tier: string): Limit | undefined {
  return [...(tiers[tier]?.limits ?? []), ...limits].find((limit) => limit.name === name);
}

function answer(response: ServerResponse, status: number, error: string): void {
  const text = `${JSON.stringify({ error })}\n`;
  const head = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, { ...securityHeaders, ...head });
  response.end(text);
}
