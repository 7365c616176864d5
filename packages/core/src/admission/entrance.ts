/** The first stage: who asks for what, which rules that is held to, and what no amount of waiting would cure. */
import type { Clock } from '../kernel/clock.js';
import type { AdmitRequest, Identity, Refusal } from '../model.js';
import { canonicalModel, matchesModel } from '../model-name.js';
import type { Policy, Tier } from '../policy/policy.js';
import { noBackend, refuse } from '../refusal.js';
import { oneRequest, Reservation } from '../reservation.js';
import { withCharges } from '../store/cost.js';
import type { Wish } from '../wish.js';
import { checkAsked, outputCapOf } from './asked.js';
import { coverOf } from './cover.js';
import type { CountTokens } from './estimate.js';
import type { Experience } from './experience.js';
import { type Charges, free, type Pricing } from './pricing.js';
import type { Rulebook } from './rulebook.js';
import { outputRoom, outputToReserve, promptSizeOf } from './sizing.js';

/** Which backends there are, as far as a request that has just come needs to know. */
export interface BackendsView {
  readonly size: number;
  /** Whether any backend serves the model at all, busy or not. */
  serves(modelCanonical: string): boolean;
  /** Whether a backend could take a request for the model, now or when one of its slots is free. */
  usable(modelCanonical: string): boolean;
  /** When one may be usable again, ms; undefined when none will be by itself. */
  backMs(modelCanonical: string): number | undefined;
}

export interface EntranceOptions {
  /** What is set aside for the output of a request. */
  readonly reserveRule: () => Policy['reserve'];
  readonly rulebook: Rulebook;
  readonly clock: Clock;
  readonly backends: BackendsView;
  readonly countTokens: CountTokens;
  readonly pricing: Pricing;
  readonly experience: Experience;
  readonly resolveIdentity: (given: AdmitRequest['identity']) => Identity;
  /** What the request wants of the backends. */
  readonly wishOf: (reservation: Reservation, request: AdmitRequest) => Wish;
}

export class Entrance {
  readonly #options: EntranceOptions;

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  /**
   * Who asks for what, and the rules for that.
   * @throws HeadgateError `HG_REQUEST` for what is no request, and for a size that is none
   */
  open(request: AdmitRequest): Reservation {
    checkAsked(request);
    const { rulebook, clock, backends, resolveIdentity, wishOf } = this.#options;
    const identity = resolveIdentity(request.identity);
    const operation = request.operation ?? 'chat';
    const model = request.model === undefined ? '' : canonicalModel(request.model);
    const { path = '', method = '', address = '', run } = request;
    const rules = rulebook.rules(identity, operation, {
      modelCanonical: model,
      path,
      method,
      inRun: run !== undefined,
    });
    const runId = run === undefined ? '' : typeof run === 'string' ? run : run.id;
    const subject = { identity: identity.id, address, model, tier: identity.tier, run: runId };
    const reservation = new Reservation(identity, operation, model, subject, rules, clock.now());
    reservation.outputTokensMax = Math.min(outputCapOf(request), allowedOutputTokens(rules.tier));
    reservation.contextTokens = request.contextTokens;
    // The queue shares slots by tokens, so it asks for the size where no limit does.
    if (rules.measured || rules.queued !== undefined || backends.size > 0) this.#size(reservation, request);
    if (backends.size > 0) reservation.wish = wishOf(reservation, request);
    // Outside a run nobody remembers what was shown before, so only what the request itself brings can be counted.
    const toolCalls = run === undefined ? (request.tools?.resultsNew ?? 0) : 0;
    if (toolCalls > 0) reservation.cost = { ...reservation.cost, toolCalls };
    return reservation;
  }

  #size(reservation: Reservation, request: AdmitRequest): void {
    const { reserveRule, countTokens, pricing, experience } = this.#options;
    const { rules, model, operation, outputTokensMax } = reservation;
    const prompt = promptSizeOf(request.input, countTokens);
    const inputTokens = experience.inputTokens(reservation, prompt);
    reservation.prompt = prompt;
    const chargesOf = (input: number, output: number): Charges => pricing.charges(model, input, output);
    const room = outputRoom(rules.atOnce.limits, ({ capacity }) => capacity, inputTokens, chargesOf);
    const expected = experience.outputTokens(reservation);
    const outputTokens = outputToReserve(reserveRule(), { outputTokensMax, expected, room });
    const { cost, gpuSeconds } = rules.priced ? pricing.charges(model, inputTokens, outputTokens) : free;
    reservation.cost = withCharges(oneRequest, { inputTokens, outputTokens, cost, gpuSeconds });
    if (request.stream !== false || !(operation === 'chat' || operation === 'generate')) return;
    reservation.coverWanted = coverOf(outputTokensMax, room);
    reservation.inOnePiece = reservation.coverWanted > 0;
  }

  /** What the tier forbids, whatever is left of any limit: a model, a prompt of this size. */
  forbids({ model, rules, cost, identity }: Reservation): Refusal | undefined {
    const { models, inputTokensMax, name } = rules.tier;
    if (models !== undefined && model !== '' && !models.some((pattern) => matchesModel(pattern, model))) {
      const message = `model '${model}' is not allowed for ${identity.id} (tier ${name}).`;
      return refuse('forbidden', message, { limit: `${name}.models` });
    }
    if (inputTokensMax !== undefined && cost.inputTokens > inputTokensMax) {
      const message = `the prompt is too large: about ${cost.inputTokens} tokens, at most ${inputTokensMax} are allowed (tier ${name}).`;
      return refuse('too-large', message, { limit: `${name}.input`, measure: 'inputTokens' });
    }
    return undefined;
  }

  /** Why no backend could ever serve the request, or none can now. */
  unserved({ model }: Reservation): Refusal | undefined {
    const { backends } = this.#options;
    if (backends.size === 0) return undefined;
    if (!backends.serves(model)) return refuse('model-not-found', `model '${model}' not found`);
    if (backends.usable(model)) return undefined;
    return noBackend(backends.backMs(model));
  }
}

/** The tier's output cap; a tier in shadow mode changes no request. */
function allowedOutputTokens({ outputTokensMax = Number.POSITIVE_INFINITY, mode }: Tier): number {
  return mode === 'enforce' ? outputTokensMax : Number.POSITIVE_INFINITY;
}
