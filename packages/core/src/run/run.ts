/** An agent run as its program holds it: what `limiter.startRun` returns. */
import type { Identity, Refusal } from '../model.js';
import { RefusedError } from '../refused-error.js';
import type { RunState } from '../run-state.js';

/** What a run asks of its limiter. */
export interface RunOwner {
  /** Charges one tool call; the refusal when there is none left. */
  toolCall(run: Run, tool: string): Refusal | undefined;
  /** What speaks against working at this depth. */
  against(run: Run, depth: number): Refusal | undefined;
  ended(run: Run): void;
}

export class Run {
  readonly #owner: RunOwner;
  readonly #state: RunState;
  readonly identity: Identity;
  readonly id: string;
  /** Nesting of agents, 0 for the outermost. */
  readonly depth: number;

  constructor(owner: RunOwner, state: RunState, identity: Identity, depth: number) {
    this.#owner = owner;
    this.#state = state;
    this.identity = identity;
    this.id = state.id;
    this.depth = depth;
  }

  /** Aborts when the run is over: its time is up, or it was ended. Its reason is a RefusedError. */
  get signal(): AbortSignal {
    return this.#state.abortSignal;
  }

  get over(): boolean {
    return this.#state.over !== undefined;
  }

  /**
   * Counts one tool call, before it is made.
   * @param tool its name, for the refusal's sentence
   * @throws RefusedError when the run, or another limit on tool calls, has none left
   */
  toolCall(tool = 'a tool'): void {
    throwIfRefused(this.#state.over ?? this.#owner.toolCall(this, tool));
  }

  /**
   * The same run one level deeper, for an agent that this one calls. It shares the whole envelope.
   * @throws RefusedError when the run may not go that deep
   */
  child(): Run {
    throwIfRefused(this.#owner.against(this, this.depth + 1));
    return new Run(this.#owner, this.#state, this.identity, this.depth + 1);
  }

  /** Ends the run for all levels: running work is aborted, and nothing more is admitted under its id. */
  end(): void {
    if (!this.over) this.#owner.ended(this);
  }
}

function throwIfRefused(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw new RefusedError(refusal);
}
