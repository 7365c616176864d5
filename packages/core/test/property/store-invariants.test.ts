/** The invariants of the store that need no model to be checked: the log of what was admitted is enough. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limit } from '../../src/model.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Cost, LimitSet, Receipt } from '../../src/store/store.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import {
  bucket,
  calendar,
  cost,
  day,
  hour,
  minute,
  rolling,
  second,
  slots,
  subject,
  tokens,
} from '../support/fixtures.js';

const ann = subject('ann');

function storeOf(
  limits: readonly Limit[],
  clock = new VirtualClock(),
): { store: MemoryStore; set: LimitSet; clock: VirtualClock } {
  const store = new MemoryStore(clock);
  store.configure(limits, { timeZone: 'UTC', keysMax: 1_000 });
  return { store, set: store.prepare(limits), clock };
}

/** Rates that divide badly, rates of millions, windows longer than a timer can count. */
const timed: readonly Limit[] = [
  bucket(10, minute, { name: 'a', capacity: 4, measure: 'tokens' }),
  bucket(7, 13 * second, { name: 'b', measure: 'tokens' }),
  bucket(1_000_000, hour, { name: 'c', measure: 'tokens', capacity: 333 }),
  bucket(1_000_000_000, day, { name: 'd', measure: 'tokens', capacity: 50_000 }),
  bucket(3, 365 * day, { name: 'e', measure: 'tokens' }),
  rolling(100, minute, { name: 'f', measure: 'tokens' }),
  rolling(50, 7 * second + 1, { name: 'g', measure: 'tokens' }),
  rolling(90, 30 * day, { name: 'h', measure: 'tokens' }),
  rolling(64, 365 * day, { name: 'i', measure: 'tokens' }),
  rolling(3, 30, { name: 'j', measure: 'tokens' }),
  calendar(80, 'day', { name: 'k', measure: 'tokens' }),
  calendar(300, 'week', { name: 'l', measure: 'tokens' }),
  calendar(500, 'month', { name: 'm', measure: 'tokens' }),
];

type Step =
  | { readonly do: 'take'; readonly units: number }
  | { readonly do: 'more'; readonly nth: number; readonly units: number }
  | { readonly do: 'end'; readonly nth: number; readonly share: number }
  | { readonly do: 'advance'; readonly ms: number };

const pause = fc.oneof(
  fc.nat({ max: 20 }),
  fc.nat({ max: 3_000 }),
  fc.nat({ max: 2 * minute }),
  fc.constantFrom(1, second, minute - 1, minute, hour, day - 1, day, 31 * day, 366 * day),
);
const taking = fc.record({ do: fc.constant('take' as const), units: fc.nat({ max: 60 }) });
const adding = fc.record({ do: fc.constant('more' as const), nth: fc.nat(), units: fc.nat({ max: 30 }) });
const ending = fc.record({ do: fc.constant('end' as const), nth: fc.nat(), share: fc.constantFrom(0, 0.5, 1) });
const advancing = fc.record({ do: fc.constant('advance' as const), ms: pause });
const history = fc.array(
  fc.oneof({ weight: 5, arbitrary: taking }, adding, ending, { weight: 2, arbitrary: advancing }),
  {
    maxLength: 60,
    size: 'max',
  },
);

interface Charge {
  readonly at: number;
  readonly wall: number;
  units: number;
}
interface Held {
  readonly receipt: Receipt;
  readonly charges: Charge[];
}

/** What was let through and stayed so, after refunds: never more than reserved, so that no debt is in it. */
function logOf(
  limits: readonly Limit[],
  steps: readonly Step[],
  after = (_: MemoryStore, __: LimitSet) => {},
): Charge[] {
  const { store, set, clock } = storeOf(limits);
  const log: Charge[] = [];
  const held: Held[] = [];
  const charge = (units: number): Charge => {
    const one = { at: clock.now(), wall: clock.wall(), units };
    log.push(one);
    return one;
  };
  for (const step of steps) {
    if (step.do === 'advance') clock.advance(step.ms);
    else if (step.do === 'take') {
      const answer = store.reserve(set, ann, tokens(step.units));
      if (answer.admitted) held.push({ receipt: answer, charges: [charge(step.units)] });
    } else {
      const one = held[step.nth % Math.max(1, held.length)];
      if (one === undefined) continue;
      if (step.do === 'more') {
        const fits = store.debit(one.receipt, { ...tokens(0, step.units), requests: 0 });
        if (fits) one.charges.push(charge(step.units));
      } else {
        held.splice(held.indexOf(one), 1);
        const total = one.charges.reduce((sum, { units }) => sum + units, 0);
        let back = total - Math.floor(total * step.share);
        store.settle(one.receipt, tokens(total - back));
        for (const part of one.charges.reverse()) {
          const taken = Math.min(back, part.units);
          part.units -= taken;
          back -= taken;
        }
      }
    }
    after(store, set);
  }
  return log;
}

/** The most that was let through in any interval, beyond what `allowed` says for its length. */
function worstExcess(log: readonly Charge[], allowed: (lengthMs: number) => number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [first, { at }] of log.entries()) {
    let total = 0;
    for (const later of log.slice(first)) {
      total += later.units;
      worst = Math.max(worst, total - allowed(later.at - at));
    }
  }
  return worst;
}

describe('window bounds (I8)', () => {
  test.each(timed.filter(({ algorithm }) => algorithm === 'token-bucket'))(
    'a bucket of $amount per $periodMs ms lets through no more than its capacity and its rate, in any interval',
    (limit) =>
      holds(
        fc.property(history, (steps) => {
          const rate = limit.amount / limit.periodMs;
          const excess = worstExcess(logOf([limit], steps), (lengthMs) => limit.capacity + rate * lengthMs);
          expect(excess).toBeLessThanOrEqual(limit.capacity * 1e-8);
        }),
      ),
  );

  test.each(timed.filter(({ algorithm }) => algorithm === 'rolling'))(
    'a rolling window of $amount per $periodMs ms never holds more, wherever it begins',
    (limit) =>
      holds(
        fc.property(history, (steps) => {
          const inside = (lengthMs: number) => (lengthMs < limit.periodMs ? limit.amount : Number.POSITIVE_INFINITY);
          expect(worstExcess(logOf([limit], steps), inside)).toBeLessThanOrEqual(0);
        }),
      ),
  );

  test.each(timed.filter(({ calendar }) => calendar === 'day' || calendar === 'month'))(
    'a calendar $calendar holds no more than its amount',
    (limit) =>
      holds(
        fc.property(history, (steps) => {
          const used = new Map<string, number>();
          for (const { wall, units } of logOf([limit], steps)) {
            const date = new Date(wall).toISOString().slice(0, limit.calendar === 'day' ? 10 : 7);
            used.set(date, (used.get(date) ?? 0) + units);
          }
          for (const total of used.values()) expect(total).toBeLessThanOrEqual(limit.amount);
        }),
      ),
  );
});

describe('the promised instant (I7)', () => {
  const some = fc.subarray([...timed], { minLength: 1, maxLength: 4 });

  test('one millisecond before it the same request is refused, at it admitted, whichever limits apply', () =>
    holds(
      fc.property(
        some,
        history,
        fc.integer({ min: 1, max: 90 }),
        fc.nat({ max: 2e9 }),
        (limits, steps, units, start) => {
          const { store, set, clock } = storeOf(limits, new VirtualClock(undefined, start));
          for (const step of steps) {
            if (step.do === 'advance') clock.advance(step.ms);
            if (step.do !== 'take') continue;
            store.reserve(set, ann, tokens(step.units));
            if (step.units % 7 === 0) {
              const receipt = store.reserve(set, ann, tokens(1));
              if (receipt.admitted) store.settle(receipt, tokens(step.units));
            }
          }
          const answer = store.reserve(set, ann, tokens(units));
          if (answer.admitted) return;
          const fitsAtAll = limits.every(({ capacity }) => units <= capacity);
          expect(Number.isFinite(answer.retryAfterMs)).toBe(fitsAtAll);
          if (!fitsAtAll) return;
          clock.advance(answer.retryAfterMs - 1);
          const early = store.reserve(set, ann, tokens(units));
          expect(early.admitted).toBe(false);
          if (!early.admitted) expect(early.retryAfterMs).toBe(1);
          clock.advance(1);
          expect(store.reserve(set, ann, tokens(units)).admitted).toBe(true);
        },
      ),
      { runs: 1_500 },
    ));

  test('a cost above the capacity of one of the limits is never promised an instant', () =>
    holds(
      fc.property(some, fc.integer({ min: 1, max: 100_000 }), (limits, over) => {
        const { store, set } = storeOf(limits);
        const answer = store.reserve(set, ann, tokens(Math.min(...limits.map(({ capacity }) => capacity)) + over));
        expect(answer).toMatchObject({ admitted: false, retryAfterMs: Number.POSITIVE_INFINITY });
      }),
    ));
});

describe('a refusal (I1, I2)', () => {
  const mixed = [...timed.slice(0, 2), ...timed.slice(5, 7), timed[10]!, slots(2, { name: 'slots' })];
  const shared = mixed.map((limit, index) => ({ ...limit, per: index % 2 === 0 ? (['all'] as const) : limit.per }));

  test('writes nothing: states, counters and the promised instant stay as they were, however often it is repeated', () =>
    holds(
      fc.property(history, fc.nat({ max: 90 }), fc.integer({ min: 1, max: 20 }), (steps, units, times) => {
        const { store, set, clock } = storeOf(shared);
        for (const step of steps) {
          if (step.do === 'advance') clock.advance(step.ms);
          if (step.do === 'take') store.reserve(set, subject(step.units % 2 ? 'ann' : 'bob'), tokens(step.units % 20));
        }
        const newcomer = subject('carol');
        for (const who of [ann, newcomer]) {
          const before = [store.peek(set, who), store.stats()];
          const first = store.reserve(set, who, tokens(units));
          if (first.admitted) continue;
          for (let i = 0; i < times; i++) expect(store.reserve(set, who, tokens(units))).toEqual(first);
          expect([store.peek(set, who), store.stats()]).toEqual(before);
        }
      }),
    ));

  test('a request too large for one limit never drains another (F7, F16)', () => {
    const { store, set } = storeOf([timed[5]!, bucket(10, minute, { name: 'requests' })]);
    for (let i = 0; i < 1_000; i++) expect(store.reserve(set, ann, tokens(101)).admitted).toBe(false);
    expect(store.peek(set, ann).map(({ remaining }) => remaining)).toEqual([100, 10]);
  });
});

describe('conservation (I4) and endings (I3)', () => {
  test('what is used is what open reservations hold and ended ones used, at every step', () => {
    const ever = [
      rolling(1e9, 365 * day, { name: 'rolling', measure: 'tokens' }),
      calendar(1e9, 'month', { name: 'month', measure: 'tokens' }),
    ];
    const near = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: taking },
        adding,
        ending,
        fc.record({ do: fc.constant('advance' as const), ms: fc.nat({ max: hour }) }),
      ),
      { maxLength: 60, size: 'max' },
    );
    return holds(
      fc.property(near, (steps) => {
        const { store, set, clock } = storeOf(ever);
        const open: { receipt: Receipt; units: number }[] = [];
        let settled = 0;
        for (const step of steps) {
          if (step.do === 'advance') clock.advance(step.ms);
          else if (step.do === 'take') {
            const receipt = store.reserve(set, ann, tokens(step.units)) as Receipt;
            open.push({ receipt, units: step.units });
          } else {
            const one = open[step.nth % Math.max(1, open.length)];
            if (one === undefined) continue;
            if (step.do === 'more') {
              store.debit(one.receipt, { ...tokens(step.units), requests: 0 });
              one.units += step.units;
            } else {
              open.splice(open.indexOf(one), 1);
              const used = Math.floor(one.units * step.share * 2);
              expect(store.settle(one.receipt, tokens(used))).toBe(true);
              expect([store.settle(one.receipt, tokens(999)), store.cancel(one.receipt)]).toEqual([false, false]);
              expect(store.debit(one.receipt, tokens(1))).toBe(false);
              settled += used;
            }
          }
          const expected = 1e9 - settled - open.reduce((sum, { units }) => sum + units, 0);
          const [overYear, overMonth] = store.peek(set, ann).map(({ remaining }) => remaining);
          expect(overYear).toBe(expected);
          expect(overMonth).toBe(expected);
          expect(store.stats().open).toBe(open.length);
        }
      }),
    );
  });

  test('slots are given back once, whatever is called after the end', () =>
    holds(
      fc.property(
        fc.array(fc.record({ nth: fc.nat(), how: fc.nat({ max: 3 }) }), { maxLength: 80, size: 'max' }),
        (steps) => {
          const { store, set } = storeOf([slots(3)]);
          const receipts: Receipt[] = [];
          const open = new Set<Receipt>();
          for (const { nth, how } of steps) {
            const receipt = receipts[nth % Math.max(1, receipts.length)];
            if (how <= 1 || receipt === undefined) {
              const answer = store.reserve(set, ann, cost());
              expect(answer.admitted).toBe(open.size < 3);
              if (answer.admitted) {
                receipts.push(answer);
                open.add(answer);
              } else expect(answer.retryAfterMs).toBeNaN();
            } else {
              const ended = how === 2 ? store.settle(receipt, cost()) : store.cancel(receipt);
              expect(ended).toBe(open.delete(receipt));
            }
            expect(store.peek(set, ann)[0]!.remaining).toBe(3 - open.size);
          }
        },
      ),
    ));
});

describe('a flood of new keys (I10, F21)', () => {
  const keysMax = 100;
  const rules: readonly (readonly [string, Limit, Cost])[] = [
    ['bucket', bucket(5, day, { measure: 'tokens' }), tokens(5)],
    ['rolling window', rolling(5, day, { measure: 'tokens' }), tokens(5)],
    ['calendar day', calendar(5, 'day', { measure: 'tokens' }), tokens(5)],
    ['bucket in debt', bucket(5, day, { measure: 'tokens' }), tokens(5)],
    ['slot', slots(5), cost()],
  ];

  test.each(rules)(
    'of ten times as many as are kept frees nobody who is at the limit of a %s',
    (name, limit, whole) => {
      const clock = new VirtualClock();
      const store = new MemoryStore(clock);
      store.configure([limit], { timeZone: 'UTC', keysMax });
      const set = store.prepare([limit]);
      const blocked = Array.from({ length: keysMax / 2 }, (_, i) => subject(`blocked-${i}`));
      for (const who of blocked) {
        const times = limit.algorithm === 'slots' ? 5 : 1;
        for (let i = 0; i < times; i++) {
          const receipt = store.reserve(set, who, whole);
          if (name === 'bucket in debt' && receipt.admitted) store.settle(receipt, tokens(50));
        }
      }
      let admitted = 0;
      for (let i = 0; i < 10 * keysMax; i++) {
        const newcomer = subject(`newcomer-${i}`);
        const answer = store.reserve(set, newcomer, limit.measure === 'tokens' ? tokens(1 + (i % 5)) : cost());
        if (answer.admitted) admitted++;
        expect(store.stats().keys).toBeLessThanOrEqual(keysMax + 1);
      }
      expect(admitted).toBeGreaterThan(0);
      for (const who of blocked) {
        expect(store.reserve(set, who, limit.measure === 'tokens' ? tokens(1) : cost()).admitted).toBe(false);
      }
    },
  );

  test('frees nobody before the promised instant, whatever the newcomers ask and however long they go on', () =>
    holds(
      fc.property(
        fc.constantFrom(...rules.filter(([, { algorithm }]) => algorithm !== 'slots')),
        fc.array(fc.record({ who: fc.nat(400), units: fc.nat(6), ms: fc.nat(hour) }), {
          minLength: 150,
          maxLength: 300,
        }),
        ([, limit, whole], flood) => {
          const clock = new VirtualClock();
          const store = new MemoryStore(clock);
          store.configure([limit], { timeZone: 'UTC', keysMax: 20 });
          const set = store.prepare([limit]);
          const blocked = ['ann', 'bob', 'carol'].map((name) => subject(name));
          for (const who of blocked) store.reserve(set, who, whole);
          const answer = store.reserve(set, ann, tokens(1));
          if (answer.admitted) throw new Error('it had room for more');
          let leftMs = answer.retryAfterMs - 1;
          for (const { who, units, ms } of flood) {
            store.reserve(set, subject(`newcomer-${who}`), tokens(units));
            const passing = Math.min(leftMs, ms);
            clock.advance(passing);
            leftMs -= passing;
            expect(store.stats().keys).toBeLessThanOrEqual(21);
          }
          for (const who of blocked) expect(store.reserve(set, who, tokens(1)).admitted).toBe(false);
        },
      ),
    ));

  test('with every kept key at its limit, newcomers share one counter, and it is given up again when there is room', () => {
    const limit = bucket(2, minute);
    const clock = new VirtualClock();
    const store = new MemoryStore(clock);
    store.configure([limit], { timeZone: 'UTC', keysMax });
    const set = store.prepare([limit]);
    for (let i = 0; i < keysMax; i++) for (let n = 0; n < 2; n++) store.reserve(set, subject(`full-${i}`), cost());
    const late = [1, 2, 3].map((i) => store.reserve(set, subject(`late-${i}`), cost()).admitted);
    expect(late).toEqual([true, true, false]);
    clock.advance(minute);
    for (let i = 0; i < 10; i++) {
      expect(store.reserve(set, subject(`later-${i}`), cost()).admitted).toBe(true);
      expect(store.reserve(set, subject(`later-${i}`), cost()).admitted).toBe(true);
    }
    expect(store.stats().keys).toBeLessThanOrEqual(keysMax + 1);
  });

  test('idle counters go away by themselves as new ones come', () => {
    const limit = bucket(2, minute);
    const clock = new VirtualClock();
    const store = new MemoryStore(clock);
    store.configure([limit], { timeZone: 'UTC', keysMax: 1_000_000 });
    const set = store.prepare([limit]);
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 500; i++) store.reserve(set, subject(`${round}-${i}`), cost());
      clock.advance(hour);
    }
    expect(store.stats().keys).toBeLessThan(2_000);
  });
});

describe('long windows (F17)', () => {
  test.each([30, 365])('a limit of %i days holds to the last millisecond, in every algorithm', (days) => {
    const limits = [
      bucket(3, days * day, { name: 'bucket', capacity: 3 }),
      rolling(3, days * day, { name: 'rolling' }),
    ];
    for (const limit of limits) {
      const { store, set, clock } = storeOf([limit]);
      for (let i = 0; i < 3; i++) expect(store.reserve(set, ann, cost()).admitted).toBe(true);
      const answer = store.reserve(set, ann, cost());
      if (answer.admitted) throw new Error('a fourth was admitted');
      const least = limit.algorithm === 'rolling' ? days * day : (days * day) / 3;
      // A bucket may be early by one part in a billion of its capacity.
      expect(answer.retryAfterMs).toBeGreaterThanOrEqual(least * (1 - 4e-9));
      expect(answer.retryAfterMs).toBeLessThanOrEqual(least * (1 + 1 / 60) + 1);
      clock.advance(answer.retryAfterMs - 1);
      expect(store.reserve(set, ann, cost()).admitted).toBe(false);
      clock.advance(1);
      expect(store.reserve(set, ann, cost()).admitted).toBe(true);
    }
  });
});
