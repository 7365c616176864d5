/** The memory store against the slow, obvious model: whole random histories, verdict by verdict and number by number. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limit } from '../../src/model.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { LimitSet, Receipt, Shortfall } from '../../src/store/store.js';
import { type ReferenceInstant, ReferenceLimiter, type ReferenceReceipt } from '../../src/testing/reference-limiter.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { bucket, calendar, cost, day, hour, minute, rolling, second, slots, subject } from '../support/fixtures.js';

/** All algorithms, several scopes, more than one limit a table. */
const everything: readonly Limit[] = [
  bucket(10, minute, { name: 'requests', capacity: 4 }),
  rolling(100, minute, { name: 'tokens', measure: 'tokens' }),
  calendar(400, 'day', { name: 'daily', measure: 'tokens' }),
  bucket(7, 13 * second, { name: 'house', per: ['all'] }),
  rolling(60, 7 * second, { name: 'output', measure: 'outputTokens', per: ['model', 'identity'] }),
  slots(3, { name: 'at-once' }),
  calendar(2000, 'week', { name: 'weekly', measure: 'inputTokens', per: ['all'] }),
  rolling(3, 3 * second, { name: 'trial', mode: 'shadow' }),
];

/** A bucket of tokens: the one that refunds could fill beyond what time has earned. */
const budget = bucket(60, minute, { name: 'budget', measure: 'tokens' });

const small = fc.nat({ max: 40 });
const who = fc.record({ identity: fc.constantFrom('ann', 'bob'), model: fc.constantFrom('m', 'n') });
const whole = fc.record({ inputTokens: small, outputTokens: small });
const pause = fc.oneof(
  fc.nat({ max: 3_000 }),
  fc.constantFrom(1, 117, 999, second, 1_300, 6 * second, minute, minute + second, hour, day),
);

type Step =
  | { readonly do: 'reserve'; readonly who: { identity: string; model: string }; readonly cost: Tokens }
  | { readonly do: 'settle'; readonly nth: number; readonly actual: Tokens }
  | { readonly do: 'debit'; readonly nth: number; readonly outputTokens: number }
  | { readonly do: 'cancel'; readonly nth: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'step'; readonly ms: number };
interface Tokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

const reserving = fc.record({ do: fc.constant('reserve' as const), who, cost: whole });
const settling = fc.record({ do: fc.constant('settle' as const), nth: fc.nat(), actual: whole });
const debiting = fc.record({ do: fc.constant('debit' as const), nth: fc.nat(), outputTokens: small });
const cancelling = fc.record({ do: fc.constant('cancel' as const), nth: fc.nat() });
const advancing = fc.record({ do: fc.constant('advance' as const), ms: pause });
const stepping = fc.record({ do: fc.constant('step' as const), ms: fc.integer({ min: -3 * day, max: 3 * day }) });

interface Open {
  readonly receipt: Receipt;
  readonly reference: ReferenceReceipt;
  readonly reserved: Tokens;
}

/** Plays the steps to both and hands every verdict to `compare`. */
function play(
  limits: readonly Limit[],
  steps: readonly Step[],
  compare: (mine: Receipt | Shortfall, reference: ReturnType<ReferenceLimiter['reserve']>) => void,
  after: (store: MemoryStore, set: LimitSet, reference: ReferenceLimiter, instant: ReferenceInstant) => void = () => {},
): void {
  const clock = new VirtualClock();
  const store = new MemoryStore(clock);
  store.configure(limits, { timeZone: 'UTC', keysMax: 1_000 });
  const set = store.prepare(limits);
  const reference = new ReferenceLimiter(limits);
  const open: Open[] = [];
  const instant = () => ({ now: clock.now(), wall: clock.wall() });
  const pick = (nth: number): Open | undefined => open[nth % Math.max(1, open.length)];
  for (const step of steps) {
    if (step.do === 'advance') clock.advance(step.ms);
    else if (step.do === 'step') clock.stepWall(step.ms);
    else if (step.do === 'reserve') {
      const someone = subject(step.who.identity, { model: step.who.model });
      const mine = store.reserve(set, someone, cost(step.cost));
      const reference_ = reference.reserve(someone, cost(step.cost), instant());
      compare(mine, reference_);
      if (mine.admitted && reference_.admitted) {
        open.push({ receipt: mine, reference: reference_, reserved: step.cost });
      } else if (mine.admitted) store.cancel(mine);
      else if (reference_.admitted) reference.settle(reference_, cost({ requests: 0 }), instant());
    } else {
      const picked = pick(step.nth);
      if (picked === undefined) continue;
      if (step.do === 'debit') {
        const more = { ...cost({ outputTokens: step.outputTokens }), requests: 0 };
        const mine = store.debit(picked.receipt, more);
        // Only what both charged can be compared further.
        if (mine) reference.debit(picked.reference, more, instant());
        continue;
      }
      open.splice(open.indexOf(picked), 1);
      const actual = step.do === 'cancel' ? cost({ requests: 0 }) : cost(step.actual);
      if (step.do === 'cancel') store.cancel(picked.receipt);
      else store.settle(picked.receipt, actual);
      reference.settle(picked.reference, actual, instant());
    }
    after(store, set, reference, instant());
  }
}

const sameVerdict = (mine: Receipt | Shortfall, reference: ReturnType<ReferenceLimiter['reserve']>): void => {
  expect(mine.admitted).toBe(reference.admitted);
  if (mine.admitted || reference.admitted) return;
  expect(reference.limits).toContain(mine.limit.name);
  expect(mine.retryAfterMs === Number.POSITIVE_INFINITY).toBe(reference.never);
};

const neverMoreGenerous = (mine: Receipt | Shortfall, reference: ReturnType<ReferenceLimiter['reserve']>): void => {
  if (mine.admitted) expect(reference.admitted).toBe(true);
};

describe('the memory store and the reference', () => {
  test('give the same verdict to the same history of reservations', () =>
    holds(
      fc.property(
        fc.array(fc.oneof({ weight: 4, arbitrary: reserving }, advancing), { maxLength: 60, size: 'max' }),
        (steps) => play(everything, steps, sameVerdict),
      ),
    ));

  test('keep debts: what was used beyond a reservation is charged on every limit, and to the unit', () => {
    const dearer = settling.map((step) => ({ ...step, actual: { inputTokens: 80, outputTokens: 80 } }));
    const steps = fc.array(fc.oneof({ weight: 3, arbitrary: reserving }, dearer, advancing), {
      maxLength: 60,
      size: 'max',
    });
    return holds(fc.property(steps, (history) => play(everything, history, sameVerdict)));
  });

  test('agree after refunds to rolling and calendar windows, steps of the calendar clock included', () => {
    const windows = everything.filter(({ algorithm }) => algorithm !== 'token-bucket');
    const steps = fc.array(fc.oneof({ weight: 4, arbitrary: reserving }, settling, cancelling, advancing, stepping), {
      maxLength: 60,
      size: 'max',
    });
    return holds(fc.property(steps, (history) => play(windows, history, sameVerdict)));
  });

  test('count the same units on every limit, at every step: all are charged or none is (I1), and by a refusal none (I2)', () => {
    const exact = everything.filter(({ mode }) => mode === 'enforce');
    const people = ['ann', 'bob'].flatMap((name) => ['m', 'n'].map((model) => subject(name, { model })));
    return holds(
      fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: reserving }, advancing), { maxLength: 30 }), (steps) =>
        play(exact, steps, sameVerdict, (store, set, reference, instant) => {
          for (const someone of people) {
            const used = new Map(
              store.peek(set, someone).map(({ name, limit, remaining }) => [name, limit - remaining]),
            );
            for (const [index, theirs] of reference.used(someone, instant).entries()) {
              const { name, amount, capacity } = exact[index]!;
              expect(used.get(name)! - (amount - capacity), name).toBeCloseTo(theirs, 6);
            }
          }
        }),
      ),
    );
  });

  test('promise the same instant: one millisecond before it the reference refuses too, at it admits (I7)', () => {
    const timed = everything.filter(({ algorithm, mode }) => algorithm !== 'slots' && mode === 'enforce');
    return holds(
      fc.property(
        fc.array(fc.oneof({ weight: 4, arbitrary: reserving }, advancing), { maxLength: 40, size: 'max' }),
        reserving,
        (steps, last) => {
          let asked: Receipt | Shortfall | undefined;
          let then: { reference: ReferenceLimiter; now: number; wall: number } | undefined;
          play(
            timed,
            [...steps, last],
            (mine) => {
              asked = mine;
            },
            (_, __, reference, { now, wall }) => {
              then = { reference, now, wall };
            },
          );
          if (asked === undefined || asked.admitted || asked.retryAfterMs === Number.POSITIVE_INFINITY) return;
          const { reference, now, wall } = then!;
          const at = (ms: number) =>
            reference.reserve(subject(last.who.identity, { model: last.who.model }), cost(last.cost), {
              now: now + ms,
              wall: wall + ms,
            }).admitted;
          expect([at(asked.retryAfterMs - 1), at(asked.retryAfterMs)]).toEqual([false, true]);
        },
      ),
    );
  });

  test('the store is never the more generous, whatever is refunded, debited and cancelled', () => {
    const limits = fc.subarray([...everything, budget], { minLength: 1 });
    const steps = fc.array(
      fc.oneof({ weight: 5, arbitrary: reserving }, settling, cancelling, debiting, advancing, stepping),
      { maxLength: 60, size: 'max' },
    );
    return holds(
      fc.property(limits, steps, (some, history) => play(some, history, neverMoreGenerous)),
      { runs: 600 },
    );
  });

  test('a bucket never holds more than the whole history played again, and all of it where no time has passed', () => {
    const roomy = bucket(60, minute, { name: 'roomy', measure: 'tokens', capacity: 200 });
    const steps = (...further: fc.Arbitrary<Step>[]) =>
      fc.array(fc.oneof({ weight: 3, arbitrary: reserving }, settling, cancelling, debiting, ...further), {
        maxLength: 60,
        size: 'max',
      });
    const bothOf = (store: MemoryStore, set: LimitSet, reference: ReferenceLimiter, instant: ReferenceInstant) =>
      ['ann', 'bob'].map((identity) => {
        const someone = subject(identity, { model: 'm' });
        return [store.peek(set, someone)[0]!.remaining, 200 - reference.used(someone, instant)[0]!] as const;
      });
    const never = fc.property(steps(advancing), (history) =>
      play([roomy], history, neverMoreGenerous, (...all) => {
        for (const [mine, most] of bothOf(...all)) expect(mine).toBeLessThanOrEqual(most + 1e-6);
      }),
    );
    const exactly = fc.property(steps(), (history) =>
      play([roomy], history, sameVerdict, (...all) => {
        for (const [mine, most] of bothOf(...all)) expect(mine).toBeCloseTo(most, 6);
      }),
    );
    return Promise.all([never, exactly].map((property) => holds(property, { runs: 600 })));
  });
});
