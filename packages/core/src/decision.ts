import type { LimitState, Refusal } from './model.js';
import type { Permit } from './settlement/permit.js';

/** A decision as a value. `limits` says where every limit that applied stands now. */
export type Decision = AdmittedDecision | RefusedDecision;

export interface AdmittedDecision {
  readonly admitted: true;
  readonly permit: Permit;
  readonly limits: readonly LimitState[];
}

export interface RefusedDecision {
  readonly admitted: false;
  readonly refusal: Refusal;
  readonly limits: readonly LimitState[];
}

/** Reads the limits only when somebody looks: most callers never do. */
type ReadLimits<Context> = (context: Context) => readonly LimitState[];

export class Admitted<Context> implements AdmittedDecision {
  readonly admitted = true;
  readonly permit: Permit;
  readonly #context: Context;
  readonly #read: ReadLimits<Context>;

  constructor(permit: Permit, context: Context, read: ReadLimits<Context>) {
    this.permit = permit;
    this.#context = context;
    this.#read = read;
  }

  get limits(): readonly LimitState[] {
    return this.#read(this.#context);
  }
}

export class Refused<Context> implements RefusedDecision {
  readonly admitted = false;
  readonly refusal: Refusal;
  readonly #context: Context | undefined;
  readonly #read: ReadLimits<Context>;

  constructor(refusal: Refusal, context: Context | undefined, read: ReadLimits<Context>) {
    this.refusal = refusal;
    this.#context = context;
    this.#read = read;
  }

  get limits(): readonly LimitState[] {
    return this.#context === undefined ? [] : this.#read(this.#context);
  }
}
