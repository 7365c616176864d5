/** The agent runs that go on or went on lately. Bounded in number, and each in time by the envelope of its tier. */
import { LRUCache } from 'lru-cache';
import type { LimiterEvents } from '../events.js';
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { AdmitRequest, Identity, Refusal, ToolResults } from '../model.js';
import type { RunRules } from '../policy/policy.js';
import { inWords, overLimit, refuse } from '../refusal.js';
import type { Reservation, Rules } from '../reservation.js';
import { RunState } from '../run-state.js';
import { noCost } from '../store/cost.js';
import type { Receipt, Shortfall, Store } from '../store/store.js';
import { Run, type RunOwner } from './run.js';

/** Runs remembered; past this the one that was heard of least lately is forgotten. */
const runsMax = 10_000;
const oneToolCall = { ...noCost, toolCalls: 1 };

export interface RunsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly events: Events<LimiterEvents>;
  readonly resolveIdentity: (given: AdmitRequest['identity']) => Identity;
  /** What an identity's runs are held to. */
  readonly rulesOf: (identity: Identity) => Rules;
}

export interface StartRunOptions {
  /** A name, or more about it, as in a request. */
  readonly identity?: string | Partial<Identity>;
  /** Unique among the identity's runs; the same one that requests over HTTP give as `x-run-id`. */
  readonly id: string;
  /** Nesting of agents, 0 for the outermost. */
  readonly depth?: number;
}

export class Runs implements RunOwner {
  readonly #options: RunsOptions;
  readonly #states = new LRUCache<string, RunState>({ max: runsMax, dispose: (state) => state.timer?.cancel() });

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** A run as its program holds it; begun anew if the one of that id is over. */
  start({ identity: given, id, depth = 0 }: StartRunOptions): Run {
    const identity = this.#options.resolveIdentity(given);
    const known = this.#states.get(keyOf(identity, id));
    const state = known === undefined || known.over !== undefined ? this.#begin(identity, id) : known;
    return new Run(this, state, identity, depth);
  }

  #begin(identity: Identity, id: string): RunState {
    const { clock, events, rulesOf } = this.#options;
    const state = new RunState(id, clock.now());
    const { timeMs } = rulesOf(identity).tier.run ?? {};
    if (timeMs !== undefined) {
      state.timer = clock.after(timeMs, () => {
        state.finish(refuse('run', `run ${id} is over: its time of ${inWords(timeMs)} is up.`));
        events.emit('run-ended', { identity, run: id, inTime: false });
      });
    }
    this.#states.set(keyOf(identity, id), state);
    return state;
  }

  /**
   * Takes a request into its run, beginning it if need be, and adds the tool calls that it shows to its cost.
   * @returns what the run has against it
   */
  enter(reservation: Reservation, asked: AdmitRequest): Refusal | undefined {
    const { identity, rules } = reservation;
    const { id, depth = 0 } = typeof asked.run === 'string' ? { id: asked.run } : asked.run!;
    const state = this.#states.get(keyOf(identity, id)) ?? this.#begin(identity, id);
    reservation.run = state;
    const against = isShadow(rules) ? undefined : (state.over ?? tooDeep(id, depth, rules.tier.run));
    if (against === undefined && asked.tools !== undefined) show(reservation, state, asked.tools);
    return against;
  }

  /** The request is taken back, and so is what it showed. */
  takenBack(reservation: Reservation): void {
    const { run, shown } = reservation;
    if (shown !== undefined) run?.unsee(shown.conversation, shown.toolCalls);
    reservation.shown = undefined;
  }

  toolCall(run: Run, tool: string): Refusal | undefined {
    const { store, rulesOf } = this.#options;
    const { identity } = run;
    const { toolCalls } = rulesOf(identity);
    if (toolCalls === undefined) return undefined;
    const subject = { identity: identity.id, address: '', model: '', tier: identity.tier, run: run.id };
    const answer = store.reserve(toolCalls, subject, oneToolCall);
    if (!(answer instanceof Promise)) return this.#counted(run, tool, answer);
    // A store that is asked from afar answers later: the call goes on, and the run ends if there was none left.
    answer.then(
      (known) => this.#endIfRefused(run, this.#counted(run, tool, known)),
      () => {},
    );
    return undefined;
  }

  #counted(run: Run, tool: string, answer: Receipt | Shortfall): Refusal | undefined {
    if (answer.admitted) {
      void this.#options.store.settle(answer, oneToolCall);
      return undefined;
    }
    const refusal = overLimit(answer, run.identity.id, () => 0);
    return { ...refusal, message: `${tool} is not called: ${refusal.message}` };
  }

  #endIfRefused(run: Run, refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.#states.get(keyOf(run.identity, run.id))?.finish(refusal);
  }

  against(run: Run, depth: number): Refusal | undefined {
    const rules = this.#options.rulesOf(run.identity);
    return isShadow(rules) ? undefined : tooDeep(run.id, depth, rules.tier.run);
  }

  ended({ identity, id }: Run): void {
    this.#states.get(keyOf(identity, id))?.finish(refuse('run', `run ${id} has ended.`));
    this.#options.events.emit('run-ended', { identity, run: id, inTime: true });
  }

  get size(): number {
    return this.#states.size;
  }
}

function isShadow({ tier }: Rules): boolean {
  return tier.mode === 'shadow';
}

function tooDeep(id: string, depth: number, rules: RunRules | undefined): Refusal | undefined {
  const { depthMax = Number.POSITIVE_INFINITY } = rules ?? {};
  if (depth <= depthMax) return undefined;
  return refuse('run', `run ${id} is nested ${depth} deep, at most ${depthMax} is allowed.`);
}

/**
 * Counts the tool calls that a request shows for the first time. In a conversation that was seen before, the results beyond
 * those counted; in another one of the same run those after the model's last message, since earlier ones were counted where
 * they were made. The conversation that a run begins with made all of its calls before.
 */
function show(reservation: Reservation, state: RunState, { results, resultsNew, conversation }: ToolResults): void {
  const seen = state.seen(conversation);
  const first = state.hasConversations ? resultsNew : 0;
  const toolCalls = seen === undefined ? first : Math.max(0, results - seen);
  state.see(conversation, Math.max(results, seen ?? 0));
  reservation.shown = { conversation, toolCalls };
  if (toolCalls > 0) reservation.cost = { ...reservation.cost, toolCalls };
}

function keyOf(identity: Identity, id: string): string {
  return `${identity.id.length}:${identity.id}${id}`;
}
