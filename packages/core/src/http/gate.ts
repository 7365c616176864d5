/**
 * The way of one HTTP request through the limiter, the same for every adapter and for the gateway.
 *
 *   path -> who -> route -> body, read strictly -> admission -> Opened { permit, the body to forward, a meter for the answer }
 *        \______________________ or at any point ______________-> Turned { status, headers, body in the path's dialect }
 *
 * An adapter supplies the facts and a way to read the body, and does what it is told; it decides nothing.
 */

import { withoutKey } from '../identity/credentials.js';
import { type Identified, Identifier, type Unidentified } from '../identity/identify.js';
import { isLater, type Later } from '../kernel/later.js';
import { type Random, randomHex, systemRandom } from '../kernel/random.js';
import type { AdmitRequest, Identity, LimitState, Refusal } from '../model.js';
import { matchesModel } from '../model-name.js';
import { noSuchPath, refuse } from '../refusal.js';
import type { Permit } from '../settlement/permit.js';
import type { Dialect, Reading, Route } from './dialect.js';
import { isRefusal, toolsOf } from './dialect.js';
import { type Headers, limitHeaders, retryHeaders } from './headers.js';
import { jsonOf } from './json-body.js';
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
import { type RunPlace, runOf } from './run-headers.js';
import { pathOf } from './target.js';

/** An object that is being filled in: copying what is mostly absent would cost more than the decision. */
type Writable<Record> = { -readonly [Key in keyof Record]: Record[Key] };

/** Who asks, as the application says. */
type Given = string | Partial<Identity>;
type Who = Identified | Unidentified;

const noLimits: readonly LimitState[] = [];

/** What is asked, once all of it was read. */
interface Asked {
  readonly route: Route;
  readonly reading: Reading | undefined;
  readonly run: RunPlace | undefined;
}

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
    const decision = await this.#limiter.admit(this.#wish(request, progress, asked), { signal: request.signal });
    progress.limits = decision.limits;
    if (!decision.admitted) return this.#turn(progress, decision.refusal);
    return { open: true, passage: this.#passage(progress, asked.route, asked.reading, decision.permit) };
  }

  /** Reads a request as `open` does and refuses what would be refused whenever it came. Nothing is charged, nothing waits. */
  async examine(request: GateRequest, identify?: Given): Promise<Examined | Turned> {
    const progress = this.#progress(request);
    const asked = await this.#asked(progress, request, identify);
    if ('reason' in asked) return this.#turn(progress, asked);
    const against = this.#limiter.refusesForGood(this.#wish(request, progress, asked));
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
    progress.path = this.#otherPaths === 'pass' ? withoutKey(who.path) : who.path;
    if ('refusal' in who && identify === undefined) return this.#unknown(request, progress, who);
    progress.identity = this.#limiter.identity(identify ?? (who as Identified).identity);
    return undefined;
  }

  /** Reads what is asked. */
  #ask(progress: Progress, request: GateRequest): Later<Asked | Refusal> {
    const route = this.#route(request.method, progress.path);
    if (isRefusal(route)) return route;
    progress.route = route;
    const against = this.#denied(route.operation, route.path);
    if (against !== undefined) return against;
    const run = runOf(request.headers);
    if (run !== undefined && isRefusal(run)) return run;
    const asked = { route, reading: undefined, run };
    return route.body === 'json' ? this.#askInBody(progress, request, asked) : asked;
  }

  async #askInBody(progress: Progress, request: GateRequest, { route, run }: Asked): Promise<Asked | Refusal> {
    const reading = await this.#read(request, route);
    if (isRefusal(reading)) return reading;
    progress.reading = reading;
    return this.#denied(reading.operation, route.path) ?? { route, reading, run };
  }

  /** A credential that is wrong counts as a failure, and the same one too often is answered otherwise. */
  async #unknown({ method }: GateRequest, { address, path }: Progress, who: Unidentified): Promise<Refusal> {
    const blocked = who.failed ? await this.#limiter.countFailure({ address, path, method }) : undefined;
    return blocked ?? who.refusal;
  }

  #wish(request: GateRequest, progress: Progress, { route, reading, run }: Asked): AdmitRequest {
    const asked: Writable<AdmitRequest> = {
      operation: reading?.operation ?? route.operation,
      address: progress.address,
      path: route.path,
      method: request.method,
    };
    if (progress.identity !== undefined) asked.identity = progress.identity;
    if (run !== undefined) asked.run = run;
    if (reading !== undefined) this.#askAbout(reading, asked);
    return asked;
  }

  #askAbout(reading: Reading, asked: Writable<AdmitRequest>): void {
    if (reading.model !== '') asked.model = reading.model;
    asked.input = reading;
    asked.stream = reading.stream;
    asked.tools = toolsOf(reading);
    if (reading.outputTokensMax !== undefined) asked.outputTokensMax = reading.outputTokensMax;
    // Every request is sent with the pinned size, so it is known.
    const { num_ctx: numCtx } = this.#limiter.policy.guard.options;
    if (typeof numCtx === 'number') asked.contextTokens = numCtx;
  }

  #passage(progress: Progress, route: Route, reading: Reading | undefined, permit: Permit): Passage {
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
      headers,
      meter: (head) => dialect.meter(route, head, reading),
      turn: (refusal) => this.#turn(progress, refusal),
      mayUseModel: (model) =>
        models === undefined || mode === 'shadow' || models.some((pattern) => matchesModel(pattern, model)),
    };
  }

  #route(method: string, path: string): Route | Refusal {
    const passes = this.#otherPaths === 'pass' || this.#limiter.policy.guard.paths.includes(path);
    for (const dialect of this.#dialects) {
      const route = dialect.route(method, path);
      if (route !== undefined && !(isRefusal(route) && passes)) return route;
    }
    if (this.#otherPaths === 'pass') warnOfPrompts(this.#limiter, method, path, this.#dialects);
    return passes ? { operation: 'other', path, method, kind: 'other', body: 'opaque' } : noSuchPath(path);
  }

  #denied(operation: string, path: string): Refusal | undefined {
    if (operation !== 'admin' || this.#limiter.policy.guard.admin === 'allow') return undefined;
    return refuse('forbidden', `${path} with this request manages models, which is not allowed here.`);
  }

  async #read(request: GateRequest, route: Route): Promise<Reading | Refusal> {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
      return refuse('bad-encoding', 'compressed request bodies are not accepted; send it without Content-Encoding.');
    }
    const { guard } = this.#limiter.policy;
    const body = jsonOf(await request.readBody(guard.bodyBytesMax), guard.bodyBytesMax);
    return body.ok ? this.#dialectOf(route.path).read(route, body.value, guard) : body.refusal;
  }

  #dialectOf(path: string): Dialect {
    return this.#dialects.find((dialect) => dialect.speaks(path)) ?? this.#dialects[this.#dialects.length - 1]!;
  }

  #limitHeaders(progress: Progress): Headers {
    const { policy, clock } = this.#limiter;
    return limitHeaders(progress.limits, policy.headers, clock.wall(), progress.path.startsWith('/v1/'));
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
