/**
 * The way of one HTTP request through the limiter, the same for every adapter and for the gateway.
 *
 *   path -> who -> route -> body, read strictly -> admission -> Opened { permit, the body to forward, a meter for the answer }
 *        \______________________ or at any point ______________-> Turned { status, headers, body in the path's dialect }
 *
 * An adapter supplies the facts and a way to read the body, and does what it is told; it decides nothing.
 */

import { keysInPath, withoutKey } from '../identity/credentials.js';
import { type Identified, Identifier, type Unidentified } from '../identity/identify.js';
import { isLater, type Later } from '../kernel/later.js';
import { type Random, randomHex, systemRandom } from '../kernel/random.js';
import type { Identity, LimitState, Refusal } from '../model.js';
import { matchesModel } from '../model-name.js';
import { noSuchPath, refuse } from '../refusal.js';
import type { Permit } from '../settlement/permit.js';
import type { Dialect, Reading, Route } from './dialect.js';
import { isRefusal } from './dialect.js';
import { type Headers, limitHeaders, retryHeaders } from './headers.js';
import type { RequestMeaning } from './known-path.js';
import { warnOfPrompts } from './overlooked.js';
import type {
  About,
  Examined,
  GateLimiter,
  GateOptions,
  GateRequest,
  Opened,
  Passage,
  Recognised,
  Turned,
} from './passage.js';
import { readPrompt } from './prompt-body.js';
import { runOf } from './run-headers.js';
import { pathOf } from './target.js';
import { type Asked, wishOf } from './wish.js';

/** An object that is being filled in: copying what is mostly absent would cost more than the decision. */
type Writable<Record> = { -readonly [Key in keyof Record]: Record[Key] };

/** Who asks, as the application says. */
type Given = string | Partial<Identity>;
type Who = Identified | Unidentified;

const noLimits: readonly LimitState[] = [];

/** What one request has shown of itself so far. */
interface Progress {
  readonly requestId: string;
  path: string;
  /** Whether the target has a path that every reader reads alike. */
  readonly isPath: boolean;
  address: string;
  identity?: Identity;
  route?: Route;
  reading?: Reading;
  limits: readonly LimitState[];
}

export class Gate {
  readonly #limiter: GateLimiter;
  readonly #dialects: readonly Dialect[];
  readonly #otherPaths: GateOptions['otherPaths'];
  readonly #random: Random;
  readonly #identifier: Identifier;

  constructor(options: GateOptions) {
    this.#limiter = options.limiter;
    this.#dialects = options.dialects;
    this.#otherPaths = options.otherPaths;
    this.#random = options.random ?? systemRandom;
    const { limiter } = options;
    const { clock, verifyToken } = limiter;
    this.#identifier = new Identifier({ policy: () => limiter.policy, clock, verifyToken });
  }

  /**
   * Decides on one request. Never throws for what a client sent; rejects with the signal's reason when the client leaves
   * while the request waits, and nothing is charged then.
   * @param identify who is asking, where the application knows better than the policy
   */
  async open(request: GateRequest, identify?: Given): Promise<Opened | Turned> {
    const progress = this.#progress(request);
    const found = this.#asked(progress, request, identify);
    const asked = isLater(found) ? await found : found;
    if ('reason' in asked) return this.#turn(progress, asked);
    const decision = await this.#limiter.admit(wishOf(progress, asked, this.#limiter.policy), {
      signal: request.signal,
    });
    progress.limits = decision.limits;
    if (!decision.admitted) return this.#turn(progress, decision.refusal);
    return { open: true, passage: this.#passage(progress, asked, decision.permit) };
  }

  /** Reads a request as `open` does and refuses what would be refused whenever it came. Nothing is charged, nothing waits. */
  async examine(request: GateRequest, identify?: Given): Promise<Examined | Turned> {
    const progress = this.#progress(request);
    const asked = await this.#asked(progress, request, identify);
    if ('reason' in asked) return this.#turn(progress, asked);
    const against = this.#limiter.refusesForGood(wishOf(progress, asked, this.#limiter.policy));
    return against === undefined ? { open: true, about: this.#about(progress) } : this.#turn(progress, against);
  }

  /** Who sends a request that is no model's business, such as one for a page of the gateway. Nothing of its body is read. */
  async recognise(request: GateRequest, identify?: Given): Promise<Recognised | Turned> {
    const progress = this.#progress(request);
    const against = await this.#who(progress, request, identify);
    if (against !== undefined) return this.#turn(progress, against);
    const turn = (refusal: Refusal): Turned => this.#turn(progress, refusal);
    return { open: true, about: this.#about(progress), identity: progress.identity!, path: progress.path, turn };
  }

  /** The name of who asks, by the sources of the policy; undefined where none of them recognises anybody. Counts nothing. */
  async nameOf({ headers, remoteAddress, target }: GateRequest): Promise<string | undefined> {
    const who = await this.#identifier.identify({ headers, remoteAddress, path: pathOf(target) ?? target });
    return 'refusal' in who ? undefined : who.identity.id;
  }

  /** Counts a credential that is no source's of the policy, and wrong; the answer is this refusal, or that for who tries too often. */
  async refuseWrong(request: GateRequest, refusal: Refusal): Promise<Turned> {
    const progress = this.#progress(request);
    return this.#turn(progress, await this.#unknown(request, progress, { failed: true, refusal, path: progress.path }));
  }

  #progress(request: GateRequest): Progress {
    const path = pathOf(request.target);
    const address = this.#identifier.address(request);
    const isPath = path !== undefined;
    const requestId = `req_${randomHex(this.#random, 3)}`;
    return { requestId, path: path ?? request.target, isPath, address, limits: noLimits };
  }

  /** Who asks, and what. */
  #asked(progress: Progress, request: GateRequest, identify?: Given): Later<Asked | Refusal> {
    const against = this.#who(progress, request, identify);
    if (isLater(against)) return against.then((known) => known ?? this.#ask(progress, request));
    return against ?? this.#ask(progress, request);
  }

  /** Finds out who asks, and of which path. */
  #who(progress: Progress, request: GateRequest, identify?: Given): Later<Refusal | undefined> {
    if (request.problem !== undefined) return request.problem;
    if (!progress.isPath) return noSuchPath(progress.path);
    const { headers, remoteAddress } = request;
    const who = this.#identifier.identify({ headers, remoteAddress, path: progress.path });
    if (isLater(who)) return who.then((known) => this.#known(progress, request, known, identify));
    return this.#known(progress, request, who, identify);
  }

  #known(progress: Progress, request: GateRequest, who: Who, identify?: Given): Later<Refusal | undefined> {
    // A key whose source was not asked, since another knew who it is, is not to be told to anybody either.
    const mayHoldKey = who.path === progress.path && keysInPath(this.#limiter.policy);
    progress.path = mayHoldKey ? this.#bare(who.path) : who.path;
    if ('refusal' in who && identify === undefined) return this.#unknown(request, progress, who);
    progress.identity = this.#limiter.identity(identify ?? (who as Identified).identity);
    return undefined;
  }

  /** Reads what is asked. */
  #ask(progress: Progress, request: GateRequest): Later<Asked | Refusal> {
    const route = this.#routed(progress, request.method, progress.path);
    if (isRefusal(route)) return route;
    const run = runOf(request.headers);
    if (run !== undefined && isRefusal(run)) return run;
    const asked = { route, reading: undefined, run };
    return route.body === 'json' ? this.#askInBody(progress, request, asked) : asked;
  }

  #routed(progress: Progress, method: string, path: string): Route | Refusal {
    const route = this.#route(method, path);
    if (isRefusal(route)) return route;
    progress.route = route;
    progress.path = route.path;
    return this.#denied(route.operation, route.path) ?? route;
  }

  async #askInBody(progress: Progress, request: GateRequest, { route, run }: Asked): Promise<Asked | Refusal> {
    const reading = await readPrompt(request, route, this.#dialectOf(route.path), this.#limiter.policy.guard);
    if (isRefusal(reading)) return reading;
    if ('bytes' in reading) return this.#askOtherwise(progress, request.otherwise!, { run, unasked: reading.bytes });
    progress.reading = reading;
    return this.#denied(reading.operation, route.path) ?? { route, reading, run };
  }

  #askOtherwise(
    progress: Progress,
    { method, target }: RequestMeaning,
    more: Pick<Asked, 'run' | 'unasked'>,
  ): Asked | Refusal {
    const path = pathOf(target);
    if (path === undefined) return noSuchPath(target);
    // A key has been read before, and is not to be told to anybody.
    const route = this.#routed(progress, method, keysInPath(this.#limiter.policy) ? this.#bare(path) : path);
    return isRefusal(route) ? route : { route, reading: undefined, ...more };
  }

  /** A credential that is wrong counts as a failure, and the same one too often is answered otherwise. */
  async #unknown({ method }: GateRequest, { address, path }: Progress, who: Unidentified): Promise<Refusal> {
    const blocked = who.failed ? await this.#limiter.countFailure({ address, path, method }) : undefined;
    return blocked ?? who.refusal;
  }

  #passage(progress: Progress, { route, reading, unasked }: Asked, permit: Permit): Passage {
    const dialect = this.#dialectOf(progress.path);
    const outputTokensMax = permit.outputTokensMax();
    const { tiers } = this.#limiter.policy;
    // The policy may have changed while the request waited, and its tier be gone.
    const { models, mode } = tiers[progress.identity!.tier] ?? tiers.default!;
    const headers = this.#limitHeaders(progress);
    headers['x-request-id'] = progress.requestId;
    return {
      about: this.#about(progress),
      permit,
      dialect,
      route,
      reading,
      body: reading?.forward(outputTokensMax === Number.POSITIVE_INFINITY ? undefined : outputTokensMax),
      unasked,
      headers,
      meter: (head) => dialect.meter(route, head, reading),
      turn: (refusal) => this.#turn(progress, refusal),
      mayUseModel: (model) =>
        models === undefined || mode === 'shadow' || models.some((pattern) => matchesModel(pattern, model)),
    };
  }

  #route(method: string, path: string): Route | Refusal {
    const passes = this.#otherPaths === 'pass' || this.#limiter.policy.guard.paths.includes(path);
    const bare = this.#bare(path);
    for (const dialect of this.#dialects) {
      const route = dialect.route(method, bare);
      if (route !== undefined && !(isRefusal(route) && passes)) return route;
    }
    if (this.#otherPaths === 'pass') warnOfPrompts(this.#limiter, method, path, this.#dialects);
    return passes ? { operation: 'other', path, method, kind: 'other', body: 'opaque' } : noSuchPath(path);
  }

  #denied(operation: string, path: string): Refusal | undefined {
    if (operation !== 'admin' || this.#limiter.policy.guard.admin === 'allow') return undefined;
    return refuse('forbidden', `${path} with this request manages models, which is not allowed here.`);
  }

  /** Before an application's own routes part of a mount path may look like a key that no source has taken: `/k/:team`. */
  #bare(path: string): string {
    return this.#otherPaths === 'pass' && path.startsWith('/k/') ? withoutKey(path) : path;
  }

  #dialectOf(path: string): Dialect {
    const bare = this.#bare(path);
    return this.#dialects.find((dialect) => dialect.speaks(bare)) ?? this.#dialects[this.#dialects.length - 1]!;
  }

  #limitHeaders(progress: Progress): Headers {
    const { policy, clock } = this.#limiter;
    return limitHeaders(progress.limits, policy.headers, clock.wall(), this.#bare(progress.path).startsWith('/v1/'));
  }

  #about(progress: Progress): About {
    const { requestId, path, address, identity, route, reading } = progress;
    const about: Writable<About> = { requestId, path, dialect: this.#dialectOf(path).name, address };
    const operation = reading?.operation ?? route?.operation;
    if (identity !== undefined) about.identity = identity;
    if (operation !== undefined) about.operation = operation;
    if (reading !== undefined && reading.model !== '') about.model = reading.modelCanonical;
    return about;
  }

  #turn(progress: Progress, refusal: Refusal): Turned {
    const { requestId } = progress;
    const rendered = this.#dialectOf(progress.path).refusal(refusal, requestId);
    return {
      open: false,
      requestId,
      refusal,
      status: rendered.status,
      headers: {
        'content-type': 'application/json',
        ...this.#limitHeaders(progress),
        ...retryHeaders(refusal),
        ...rendered.headers,
        ...(refusal.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
        'x-headgate-reason': refusal.reason,
        'x-request-id': requestId,
      },
      body: rendered.body,
      about: this.#about(progress),
    };
  }
}
