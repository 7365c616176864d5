/**
 * What is known of one agent run. How much it may use is counted by limits `per: run`, like everything else; here is what
 * no counter can tell: when it began, when it is over, who works for it now, and which tool results it has shown already.
 *
 *   begun --time is up--> over     work is aborted, everything that follows is refused
 *     '------ended------> over
 */
import type { Timer } from './kernel/clock.js';
import { type Link, List } from './kernel/list.js';
import { Departure, type Signal } from './kernel/signal.js';
import type { Refusal } from './model.js';
import { RefusedError } from './refused-error.js';

/** Work that can be told to stop. */
export interface Stoppable {
  abort(reason: unknown): void;
}

/** Conversations of one run that are told apart; of those forgotten only what is new is counted. */
const conversationsMax = 64;

export class RunState {
  readonly id: string;
  readonly startedAt: number;
  readonly #work = new List<Stoppable>();
  readonly #resultsSeen = new Map<string, number>();
  /** The conversation seen last, which stands last in the map already. */
  #latest: string | undefined;
  readonly #end = new Departure();
  /** Only where a program asks for the runtime's own signal. */
  #controller: AbortController | undefined;
  #over: Refusal | undefined;
  timer: Timer | undefined;

  constructor(id: string, startedAt: number) {
    this.id = id;
    this.startedAt = startedAt;
  }

  /** Why nothing more is done for it; undefined while it goes on. */
  get over(): Refusal | undefined {
    return this.#over;
  }

  /** Aborts when the run is over, with a RefusedError that says why. */
  get signal(): Signal {
    return this.#end;
  }

  /** The same as the runtime's own, which every request of a run would pay for. */
  get abortSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#end.aborted) this.#controller.abort(this.#end.reason);
    }
    return this.#controller.signal;
  }

  /** @returns what `done` takes */
  begin(work: Stoppable): Link<Stoppable> {
    return this.#work.push(work);
  }

  done(work: Link<Stoppable>): void {
    this.#work.remove(work);
  }

  finish(refusal: Refusal): void {
    if (this.#over !== undefined) return;
    this.#over = refusal;
    this.timer?.cancel();
    const reason = new RefusedError(refusal);
    this.#end.abort(reason);
    this.#controller?.abort(reason);
    for (const work of [...this.#work]) work.abort(reason);
    this.#resultsSeen.clear();
  }

  /** Tool results of a conversation that were counted before; undefined for one that was not seen. */
  seen(conversation: string): number | undefined {
    return this.#resultsSeen.get(conversation);
  }

  /** Results that were counted are to be counted anew: the request that showed them was taken back. */
  unsee(conversation: string, results: number): void {
    const seen = this.#resultsSeen.get(conversation);
    if (seen !== undefined) this.#resultsSeen.set(conversation, Math.max(0, seen - results));
  }

  get hasConversations(): boolean {
    return this.#resultsSeen.size > 0;
  }

  see(conversation: string, results: number): void {
    if (conversation !== this.#latest) this.#resultsSeen.delete(conversation);
    this.#latest = conversation;
    this.#resultsSeen.set(conversation, results);
    if (this.#resultsSeen.size <= conversationsMax) return;
    const [oldest] = this.#resultsSeen.keys();
    this.#resultsSeen.delete(oldest!);
  }
}
