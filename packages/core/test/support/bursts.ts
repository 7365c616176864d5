/**
 * Bursts: requests that arrive, end and leave with 0 to 3 microtasks between them. Interleaving whole promises misses the
 * races that matter here: a waiter is lost in the microtasks between a release and the moment the waiter runs.
 */
import fc, { type Arbitrary } from 'fast-check';

export type BurstAction =
  | { readonly do: 'arrive'; readonly who: number; readonly what: number }
  /** Ends one of those that hold something; `how` leaves it to the test what that means. */
  | { readonly do: 'finish'; readonly nth: number; readonly how: number }
  /** The client of one of those that arrived and have not ended leaves. */
  | { readonly do: 'abort'; readonly nth: number }
  | { readonly do: 'advance'; readonly ms: number };

export interface BurstStep {
  readonly action: BurstAction;
  /** Microtasks that pass before the next action, 0 to 3. */
  readonly microtasks: number;
}

export interface BurstOptions {
  /** Different senders; `who` counts from 0. */
  readonly senders?: number;
  /** Different kinds of request; `what` counts from 0. */
  readonly kinds?: number;
  readonly length?: number;
  readonly advanceMsMax?: number;
}

export function bursts(options: BurstOptions = {}): Arbitrary<BurstStep[]> {
  const { senders = 3, kinds = 1, length = 40, advanceMsMax = 2_000 } = options;
  const action: Arbitrary<BurstAction> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('arrive' as const),
        who: fc.nat({ max: senders - 1 }),
        what: fc.nat({ max: kinds - 1 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('finish' as const), nth: fc.nat({ max: 7 }), how: fc.nat({ max: 3 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), nth: fc.nat({ max: 7 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat({ max: advanceMsMax }) }) },
  );
  return fc.array(fc.record({ action, microtasks: fc.nat({ max: 3 }) }), { maxLength: length, size: 'max' });
}

/** Plays the steps one by one; `after` is called when the microtasks behind each have passed. */
export async function playBurst(
  steps: readonly BurstStep[],
  play: (action: BurstAction) => void,
  after: () => void = () => {},
): Promise<void> {
  for (const { action, microtasks } of steps) {
    play(action);
    for (let i = 0; i < microtasks; i++) await Promise.resolve();
    after();
  }
}
