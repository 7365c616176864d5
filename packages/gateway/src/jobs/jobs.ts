/**
 * `/jobs`: requests that are left here, made when there is room for them, and kept until their answer is fetched.
 *
 *   POST /jobs ─ who ─ read, as the path's dialect would ─ what can never pass is refused ─▶ 202, kept in Redis
 *   GET, DELETE /jobs/:id ─ who ─▶ only whoever submitted it, or the bearer of the admin key
 */
import {
  type Gate,
  type GateRequest,
  isRefusal,
  type Limiter,
  type Recognised,
  type Refusal,
  refuse,
  type Turned,
} from '@headgate/core';
import type { JobsAnswer } from './answer.js';
import { refuseGuess } from './guesses.js';
import { type HandleOwn, OwnRequests } from './own-requests.js';
import { QueueDownError } from './redis.js';
import type { Service } from './service.js';
import { submit } from './submit.js';
import { viewOf } from './view.js';

export interface JobsOptions {
  readonly limiter: Limiter;
  readonly gate: Gate;
  /** Serves a request of the gateway's own. */
  readonly handle: HandleOwn;
  readonly onError: (error: unknown) => void;
}

const retryAfterMs = 5_000;
const needsRedis = refuse(
  'not-found',
  'jobs are kept in Redis: they need `store: redis://127.0.0.1:6379`, or wherever yours is, in the policy of this gateway.',
  { status: 501 },
);
const takesNone = refuse('not-found', 'this gateway takes no jobs: `jobs.depth` is 0 in its policy.', { status: 501 });
const queueDown = refuse('store-down', 'the jobs cannot be reached now; please try again in 5s.', { retryAfterMs });
const draining = refuse('draining', 'the server is shutting down; please try again.', { retryAfterMs });
const noSuchJob = refuse('not-found', 'no such job.');

export class Jobs {
  readonly #options: JobsOptions;
  #service: Promise<Service> | undefined;
  #loaded: Service | undefined;
  #isClosed = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Whether the target is one of these pages, a key in front of it or not. */
  serves(target: string): boolean {
    return /^(?:\/k\/[^/?#]+)?\/jobs(?:[/?#]|$)/.test(target);
  }

  /** Reads in what jobs need, which takes a moment: while nobody is served yet. */
  async prepare(): Promise<void> {
    if (this.#isWanted()) await loadService();
  }

  /** Begins to take jobs, where the policy has them; takes up a policy that has changed. */
  configure(): void {
    this.#loaded?.configure();
    void this.#load()?.catch(this.#options.onError);
  }

  /** How many wait and run, at all gateways; nothing where that is not known. */
  get backlog(): readonly (readonly [state: string, jobs: number])[] {
    return Object.entries(this.#loaded?.backlog ?? {});
  }

  /** Takes no more jobs to run them. */
  stop(): void {
    this.#isClosed = true;
    void this.#service?.then((service) => service.stop()).catch(() => {});
  }

  /** Resolves when those that run have ended or gone back to wait, or soon. */
  async close(): Promise<void> {
    this.stop();
    const service = await this.#service?.catch(() => undefined);
    await service?.close();
  }

  /** @param isAdmin whether it comes with the admin key */
  async answer(request: GateRequest, isAdmin: boolean): Promise<JobsAnswer | Turned> {
    const { gate } = this.#options;
    const isOperator = isAdmin && request.method !== 'POST';
    const who = await gate.recognise(request, isOperator ? 'admin' : undefined);
    if (!who.open) return who;
    const outcome = await this.#outcome(request, who, isOperator);
    return isRefusal(outcome) ? who.turn(outcome) : outcome;
  }

  async #outcome(request: GateRequest, who: Recognised, isAdmin: boolean): Promise<JobsAnswer | Refusal> {
    const { gate, limiter } = this.#options;
    const { method } = request;
    const [, , id, ...rest] = who.path.split('/');
    if (rest.length > 0) return refuse('not-found', `no such path: ${who.path.slice(0, 200)}`);
    const allow = id === undefined || id === '' ? ['POST'] : ['GET', 'HEAD', 'DELETE'];
    if (!allow.includes(method))
      return refuse('bad-method', `${who.path} is asked with ${allow.join(', ')}.`, { allow });
    try {
      const { store, jobs, admin } = limiter.policy;
      const service = await this.#load();
      if (store.kind !== 'redis') return needsRedis;
      if (service === undefined || (method === 'POST' && jobs.depth === 0)) return takesNone;
      if (method === 'POST' && this.#isClosed) return draining;
      if (method === 'POST') return await submit({ gate, limiter, service }, request, who);
      const answer = await this.#one(service, method, id!, who, isAdmin);
      if (answer !== noSuchJob || isAdmin || admin.key === undefined) return answer;
      return await refuseGuess(gate, { ...request, target: who.path }, noSuchJob);
    } catch (error) {
      if (error instanceof QueueDownError) return queueDown;
      throw error;
    }
  }

  async #one(
    service: Service,
    method: string,
    id: string,
    who: Recognised,
    isAdmin: boolean,
  ): Promise<JobsAnswer | Refusal> {
    if (method !== 'DELETE') {
      const view = await this.#view(service, id, who, isAdmin);
      return view === undefined ? noSuchJob : { open: true, about: who.about, status: 200, headers: {}, body: view };
    }
    const removed = await service.ask(async () => {
      const job = await service.board.find(id);
      if (job === undefined || !(isAdmin || job.data.identity.id === who.identity.id)) return undefined;
      const isRemoved = await service.board.remove(job);
      if (!isRemoved) await service.board.cancel(id);
      return isRemoved;
    });
    if (removed === undefined) return noSuchJob;
    // One that runs is removed once its request has been ended.
    const body = removed ? undefined : { id, state: 'cancelling' };
    return { open: true, about: who.about, status: removed ? 204 : 202, headers: {}, body };
  }

  /** Undefined also for a job of somebody else: that there is one is nobody else's business. */
  #view(service: Service, id: string, who: Recognised, isAdmin: boolean): Promise<object | undefined> {
    return service.ask(async () => {
      const job = await service.board.find(id);
      if (job === undefined || !(isAdmin || job.data.identity.id === who.identity.id)) return undefined;
      return viewOf(service.board, job);
    });
  }

  #load(): Promise<Service> | undefined {
    const { limiter, handle, onError } = this.#options;
    const { store } = limiter.policy;
    // Those that were taken before are run and shown to their end.
    if (store.kind !== 'redis' || !this.#isWanted() || this.#isClosed) return this.#service;
    const { url, prefix } = store;
    this.#service ??= loadService().then(({ Service }) => {
      this.#loaded = new Service({ limiter, own: new OwnRequests(handle), url, prefix, onError });
      return this.#loaded;
    });
    return this.#service;
  }

  #isWanted(): boolean {
    const { store, jobs } = this.#options.limiter.policy;
    return store.kind === 'redis' && jobs.depth > 0;
  }
}

/** With BullMQ in it, which a gateway without jobs does without. */
function loadService(): Promise<typeof import('./service.js')> {
  return import('./service.js');
}
