/**
 * One request on its way through the limiter: who and what, the rules it is held to, and what is set aside for it. Each
 * stage writes down here what it took, so that whoever ends the request, at whatever point, can give all of it back.
 */
import type { RequestEvent } from './events.js';
import type { Link } from './kernel/list.js';
import type { Backend, Identity, LimitState, Operation } from './model.js';
import type { Tier } from './policy/policy.js';
import type { RunState, Stoppable } from './run-state.js';
import { noCost } from './store/cost.js';
import type { Cost, LimitSet, Receipt, Subject } from './store/store.js';
import type { BackendSlot, Wish } from './wish.js';

/** A prompt by what makes it long, its texts counted. */
export interface PromptSize {
  /** Of its texts, by class of character; undefined where a counter of tokens was given. */
  readonly characters: readonly number[] | undefined;
  /** Of its texts, by the counter that was given; not yet calibrated. */
  readonly textTokens: number;
  /** Chat messages. */
  readonly messages: number;
  readonly images: number;
  /** Counted by a tokenizer before, so beyond doubt. */
  readonly tokensKnown: number;
}

/** What one kind of request is held to. */
export interface Rules {
  readonly tier: Tier;
  /** Decided at once: admitted or refused. */
  readonly atOnce: LimitSet;
  /** Slots that are waited for in the queue; undefined when there are none. */
  readonly queued: LimitSet | undefined;
  /** Those that ask for an alert at a share of their amount; undefined when none does. */
  readonly alerted: LimitSet | undefined;
  /** Those on tool calls alone, for a run that counts its own; undefined when there are none. */
  readonly toolCalls: LimitSet | undefined;
  /** Whether any limit counts slots. */
  readonly countsSlots: boolean;
  /** Whether any limit needs the size of the prompt or of the output. */
  readonly measured: boolean;
  /** Whether any limit counts dollars or seconds of the accelerator. */
  readonly priced: boolean;
}

/** What a request that runs is counted for among those who share the slots. */
export interface SlotCharge {
  /** So many output tokens have been streamed in all. */
  stream(outputTokens: number): void;
  /** Corrects it to what was used. */
  settle(inputTokens: number, outputTokens: number): void;
  /** Takes it back whole; nothing after it was settled. */
  cancel(): void;
}

/** What an answer in one piece was charged to cover it. */
export interface Cover {
  readonly receipt: Receipt;
  readonly cost: Cost;
}

/** Output that is charged as it streams. */
export interface StreamedCharge {
  /** Counts more; false, and not counted, once a budget is known to be spent. */
  use(outputTokens: number): boolean;
}

/** What a request costs whose size no limit asks for; shared, so it tells too that nothing was measured. */
export const oneRequest: Cost = { ...noCost, requests: 1 };

export class Reservation implements RequestEvent {
  readonly identity: Identity;
  readonly operation: Operation;
  /** Canonical; empty when the request names none. */
  readonly model: string;
  readonly subject: Subject;
  readonly rules: Rules;
  readonly enteredAt: number;
  cost: Cost = oneRequest;
  /** What the estimate of the input was made from; undefined when no limit needs one. */
  prompt: PromptSize | undefined;
  /** Output tokens, all choices together, at which the answer is cut. */
  outputTokensMax = Number.POSITIVE_INFINITY;
  /** Nobody can end the answer where a budget does, so all that its backend is let write is charged before. */
  inOnePiece = false;
  /** Output to charge in all once it is let through, until it is. */
  coverWanted = 0;
  /** What was charged so, beyond `cost`. */
  cover: Cover | undefined;
  /** Settled, or taken back. */
  isOver = false;
  /** Of the model, where it is known. */
  contextTokens: number | undefined;
  /** The agent run that it is made for. */
  run: RunState | undefined;
  /** Tool calls that it was the first to show, and in which conversation of the run. */
  shown: { readonly conversation: string; readonly toolCalls: number } | undefined;
  /** Charged at once. */
  receipt: Receipt | undefined;
  /** Where the limits stood when they were decided, if the store says so. */
  states: readonly LimitState[] | undefined;
  /** What of the answer was charged while it streamed, to a store that answers later. */
  streamed: StreamedCharge | undefined;
  /** Why its work has to end, though nobody here wanted that; and who is to be told, once it works. */
  lost: { readonly reason: unknown } | undefined;
  holder: Stoppable | undefined;
  /** Slots that were waited for. */
  queuedReceipt: Receipt | undefined;
  /** What it wants of the backends; undefined where there are none. */
  wish: Wish | undefined;
  slot: BackendSlot | undefined;
  /** The same slot as all processes count it. */
  backendReceipt: Receipt | undefined;
  /** Undefined before it is let through, and where no slots are needed. */
  charge: SlotCharge | undefined;
  grantedAt = 0;
  /** Among the permits whose holders want to be told when the work has to end. */
  watch: Link<Stoppable> | undefined;
  /** Among the permits of its run. */
  inRun: Link<Stoppable> | undefined;

  constructor(
    identity: Identity,
    operation: Operation,
    model: string,
    subject: Subject,
    rules: Rules,
    enteredAt: number,
  ) {
    this.identity = identity;
    this.operation = operation;
    this.model = model;
    this.subject = subject;
    this.rules = rules;
    this.enteredAt = enteredAt;
  }

  get backend(): Backend | undefined {
    return this.slot?.backend;
  }

  get waitedMs(): number {
    return this.grantedAt - this.enteredAt;
  }

  /** Whether others may be waiting for this one to end. */
  get holdsSlot(): boolean {
    return this.backend !== undefined || this.rules.countsSlots;
  }

  /** Who and what, for an event. */
  get about(): RequestEvent {
    const { identity, operation, model } = this;
    return { identity, operation, model };
  }
}
