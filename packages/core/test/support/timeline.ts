/** Timelines that read aloud: who arrived, what became of them, in words and in order. */
import type { Decision } from '../../src/decision.js';
import type { Limiter } from '../../src/limiter.js';
import type { AdmitRequest, Backend, Refusal } from '../../src/model.js';
import type { Permit } from '../../src/settlement/permit.js';

/** One client's request, from the moment it was sent. */
export class Visit {
  readonly #controller = new AbortController();
  /** Settles when the request was decided or has left; never rejects. */
  readonly ended: Promise<void>;
  decision: Decision | undefined;
  /** What `admit` rejected with. */
  error: unknown;

  constructor(limiter: Limiter, request: AdmitRequest) {
    this.ended = limiter.admit(request, { signal: this.#controller.signal }).then(
      (decision) => {
        this.decision = decision;
      },
      (error: unknown) => {
        this.error = error;
      },
    );
  }

  get state(): 'waiting' | 'admitted' | 'refused' | 'left' {
    if (this.error !== undefined) return 'left';
    if (this.decision === undefined) return 'waiting';
    return this.decision.admitted ? 'admitted' : 'refused';
  }

  get permit(): Permit {
    if (this.decision?.admitted !== true) throw new Error(`no permit: ${this.state}`);
    return this.decision.permit;
  }

  get refusal(): Refusal {
    if (this.decision?.admitted !== false) throw new Error(`no refusal: ${this.state}`);
    return this.decision.refusal;
  }

  get backend(): string | undefined {
    return this.permit.backend?.name;
  }

  leave(): void {
    this.#controller.abort(new Error('the client left'));
  }
}

export function visit(limiter: Limiter, identity: string, more: Partial<AdmitRequest> = {}): Visit {
  return new Visit(limiter, { identity, ...more });
}

const heard = [
  'request-queued',
  'request-admitted',
  'request-refused',
  'request-would-refuse',
  'waiter-left',
  'reservation-settled',
  'reservation-cancelled',
  'permit-released',
] as const;

/** Every event that is about a request, as `ann request-admitted`, in the order told. */
export function journal(limiter: Limiter, names: readonly (typeof heard)[number][] = heard): string[] {
  const lines: string[] = [];
  for (const name of names) limiter.on(name, (event) => lines.push(`${event.identity.id} ${name}`));
  return lines;
}

export function backendNamed(limiter: Limiter, name: string): Backend {
  const backend = limiter.stats().backends.find((one) => one.name === name);
  if (backend === undefined) throw new Error(`no backend ${name}`);
  return backend;
}
