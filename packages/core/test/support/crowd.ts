/** Plays bursts on a limiter and keeps account of everyone: who waits, who holds a permit, who left, and in which order. */
import type { Limiter } from '../../src/limiter.js';
import type { AdmitRequest, Refusal } from '../../src/model.js';
import type { Permit } from '../../src/settlement/permit.js';
import { settled, type VirtualClock } from '../../src/testing/virtual-clock.js';
import type { BurstAction } from './bursts.js';

export interface Guest {
  readonly number: number;
  readonly request: AdmitRequest;
  readonly controller: AbortController;
  state: 'deciding' | 'holding' | 'refused' | 'left' | 'ended';
  refusal?: Refusal;
  permit?: Permit;
}

export class Crowd {
  readonly limiter: Limiter;
  readonly #clock: VirtualClock;
  readonly #kinds: readonly Partial<AdmitRequest>[];
  readonly guests: Guest[] = [];
  readonly #ended: Promise<void>[] = [];

  constructor(limiter: Limiter, clock: VirtualClock, kinds: readonly Partial<AdmitRequest>[] = [{}]) {
    this.limiter = limiter;
    this.#clock = clock;
    this.#kinds = kinds;
  }

  with(state: Guest['state']): Guest[] {
    return this.guests.filter((guest) => guest.state === state);
  }

  play(action: BurstAction): void {
    if (action.do === 'arrive') this.arrive({ identity: `id${action.who}`, ...this.#kinds[action.what] });
    else if (action.do === 'finish') this.#finish(action.nth, action.how);
    else if (action.do === 'abort') this.#abort(action.nth);
    else this.#clock.advance(action.ms);
  }

  arrive(request: AdmitRequest): void {
    const controller = new AbortController();
    const guest: Guest = { number: this.guests.length, request, controller, state: 'deciding' };
    this.guests.push(guest);
    const decided = this.limiter.admit(request, { signal: controller.signal }).then(
      (decision) => {
        guest.state = decision.admitted ? 'holding' : 'refused';
        if (decision.admitted) guest.permit = decision.permit;
        else guest.refusal = decision.refusal;
      },
      (error: unknown) => {
        if (error !== 'left') throw error;
        guest.state = 'left';
      },
    );
    this.#ended.push(decided);
  }

  #finish(nth: number, how: number): void {
    const holding = this.with('holding');
    const guest = holding[nth % Math.max(1, holding.length)];
    if (guest?.permit === undefined) return;
    guest.state = 'ended';
    if (how === 0) guest.permit.cancel();
    else guest.permit.settle({ inputTokens: how, outputTokens: how });
    // A second ending of either kind must change nothing.
    if (how === 2) guest.permit.settle();
    if (how === 3) guest.permit.cancel();
  }

  #abort(nth: number): void {
    const here = this.guests.filter(({ state }) => state === 'deciding' || state === 'holding');
    const guest = here[nth % Math.max(1, here.length)];
    if (guest === undefined) return;
    guest.controller.abort('left');
    if (guest.state !== 'holding') return;
    guest.state = 'ended';
    guest.permit?.settle({ inputTokens: 1, outputTokens: 0 });
  }

  /** Ends everyone, lets every deadline pass, and waits for all decisions. */
  async goHome(): Promise<void> {
    for (let round = 0; round < 10_000; round++) {
      await settled();
      for (const guest of this.with('holding')) {
        guest.state = 'ended';
        guest.permit?.settle();
      }
      if (this.with('deciding').length === 0) break;
      this.#clock.advance(1_000);
    }
    await Promise.all(this.#ended);
  }
}
