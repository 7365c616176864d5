/** A shared store that is slow, gone, or silent, behind its guard: what is decided, how soon, and what the store learns later. */
import { describe, expect, test } from 'vitest';
import type { Limit } from '../../../src/model.js';
import { GuardedStore, type OnDown } from '../../../src/store/guard.js';
import type { Cost, LimitSet, Receipt, Shortfall } from '../../../src/store/store.js';
import { storeConformance } from '../../../src/testing/store-conformance.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { bucket, calendar, cost, hour, minute, rolling, slots, subject, tokens } from '../../support/fixtures.js';
import { LaterStore } from '../../support/later-store.js';

describe('a guard changes nothing while the store is well', () => {
  for (const { name, run } of storeConformance(
    (clock) => new GuardedStore(new LaterStore(clock), { clock, onDown: 'local-share' }),
  )) {
    test(name, run);
  }
});

const ann = subject('ann');
const some = { measure: 'tokens' } as const;

interface Asked {
  answer: Receipt | Shortfall | undefined;
  error: { code?: string } | undefined;
  afterMs: number | undefined;
}

interface Bench {
  readonly clock: VirtualClock;
  readonly shared: LaterStore;
  readonly guard: GuardedStore;
  readonly set: LimitSet;
  readonly changes: string[];
  /** How long the store was asked, and whether it answered. */
  readonly told: (readonly [tookMs: number, answered: boolean])[];
  /** Asks and lets 60 ms pass: more than anybody waits. */
  ask(units?: number, identity?: string): Promise<Asked>;
  take(units?: number, identity?: string): Promise<Receipt>;
  /** What the shared counters have left. */
  left(identity?: string): number[];
}

function bench(onDown: OnDown, limits: readonly Limit[] = [rolling(100, hour, some), slots(10)]): Bench {
  const clock = new VirtualClock();
  const shared = new LaterStore(clock);
  const changes: string[] = [];
  const told: [number, boolean][] = [];
  const guard = new GuardedStore(shared, {
    clock,
    random: () => 0.5,
    onDown,
    onChange: (isDown) => changes.push(isDown ? 'down' : 'up'),
    onAsked: (tookMs, answered) => told.push([tookMs, answered]),
  });
  guard.configure(limits, { timeZone: 'UTC', keysMax: 100 });
  const set = guard.prepare(limits);
  const ask = async (units = 1, identity = 'ann'): Promise<Asked> => {
    const asked: Asked = { answer: undefined, error: undefined, afterMs: undefined };
    const from = clock.now();
    const end = (): void => {
      asked.afterMs ??= clock.now() - from;
    };
    guard.reserve(set, subject(identity), tokens(units)).then(
      (answer) => {
        asked.answer = answer;
        end();
      },
      (error: { code?: string }) => {
        asked.error = error;
        end();
      },
    );
    await clock.run(60);
    return asked;
  };
  return {
    clock,
    shared,
    guard,
    set,
    changes,
    told,
    ask,
    take: async (units, identity) => {
      const { answer } = await ask(units, identity);
      if (answer?.admitted !== true) throw new Error('not admitted');
      return answer;
    },
    left: (identity = 'ann') => shared.counters.peek(set, subject(identity)).map(({ remaining }) => remaining),
  };
}

describe('a store that does not answer in time', () => {
  test.each(['open', 'closed', 'local-share'] as const)(
    '%s: is waited for no longer than the deadline',
    async (onDown) => {
      const { shared, ask, guard, clock } = bench(onDown);
      shared.weather = 'silent';
      expect((await ask()).afterMs).toBe(50);
      expect((await ask()).afterMs).toBe(50);
      expect((await ask()).afterMs).toBe(50);
      // From the third on nobody waits any more.
      expect((await ask()).afterMs).toBe(0);
      await guard.close();
      await clock.run(minute);
      expect(clock.timers).toBe(0);
    },
  );

  test('is told of once: with the time until its answer, or until nobody waited any longer', async () => {
    const { shared, ask, told, clock } = bench('open');
    shared.latencyMs = 4;
    await ask();
    shared.latencyMs = 110;
    await ask();
    await clock.run(200);
    shared.weather = 'gone';
    await ask();
    expect(told).toEqual([
      [4, true],
      [50, false],
      [0, false],
    ]);
  });

  test('that answers late is followed: its charge is that of the request that went on', async () => {
    const { shared, take, left, guard } = bench('open');
    shared.latencyMs = 110;
    const receipt = await take(30);
    shared.latencyMs = 0;
    expect(left()).toEqual([70, 9]);
    await take(1);
    await guard.settle(receipt, tokens(10));
    expect(left()).toEqual([89, 9]);
  });

  test('that answers after the request has ended is told what it came to', async () => {
    const { shared, take, left, guard, clock } = bench('open');
    shared.weather = 'silent';
    const receipt = await take(30);
    expect(await guard.settle(receipt, tokens(10))).toBe(true);
    shared.recover();
    await clock.run(1);
    expect(left()).toEqual([90, 10]);
  });

  test('takes back what it charges late for a request that was refused or cancelled', async () => {
    const { shared, ask, take, left, clock, guard } = bench('closed');
    shared.weather = 'silent';
    expect((await ask(30)).error?.code).toBe('HG_STORE_DOWN');
    shared.recover();
    await clock.run(1);
    expect(left()).toEqual([100, 10]);

    const open = bench('open');
    open.shared.weather = 'silent';
    const receipt = await open.take(30);
    await open.guard.cancel(receipt);
    open.shared.recover();
    await open.clock.run(1);
    expect(open.left()).toEqual([100, 10]);
    await guard.settle(await take(1), tokens(1));
  });

  test('once or twice is not taken to be down', async () => {
    const { shared, ask, changes } = bench('open');
    for (let i = 0; i < 5; i++) {
      shared.weather = 'silent';
      await ask();
      await ask();
      shared.recover();
      await ask();
    }
    expect(changes).toEqual([]);
  });
});

describe('a store that is gone', () => {
  test('open: lets everything through at once, and counts it when the store is back', async () => {
    const { shared, ask, left, guard, clock, changes } = bench('open');
    shared.weather = 'gone';
    const receipts: Receipt[] = [];
    for (let i = 0; i < 5; i++) {
      const { answer, afterMs } = await ask(80);
      expect([answer?.admitted, afterMs]).toEqual([true, 0]);
      receipts.push(answer as Receipt);
    }
    await guard.settle(receipts[0]!, tokens(20));
    await guard.cancel(receipts[1]!);
    shared.recover();
    await clock.run(2_000);
    expect(changes).toEqual(['down', 'up']);
    // One has ended, one never was, three run.
    expect(left()).toEqual([100 - 20 - 3 * 80, 7]);
    for (const receipt of receipts.slice(2)) await guard.settle(receipt, tokens(10));
    expect(left()).toEqual([50, 10]);
  });

  test('closed: refuses everything at once, with a code that says why', async () => {
    const { shared, ask } = bench('closed');
    shared.weather = 'gone';
    for (let i = 0; i < 5; i++) {
      const { error, afterMs } = await ask();
      expect([error?.code, afterMs]).toEqual(['HG_STORE_DOWN', 0]);
    }
  });

  test('is asked again by nobody who waits, and found soon after its return', async () => {
    const { shared, ask, clock, changes } = bench('open');
    shared.weather = 'gone';
    await ask();
    const before = shared.asked.length;
    for (let i = 0; i < 200; i++) await ask();
    // 12 s of probes, at most ten a second and soon two.
    expect(shared.asked.length - before).toBeLessThan(30);
    expect(new Set(shared.asked.slice(before))).toEqual(new Set(['probe ann']));
    shared.recover();
    const from = clock.now();
    while (changes.length < 2) await clock.run(50);
    expect(clock.now() - from).toBeLessThanOrEqual(750);
  });

  test('from the start: decisions are made all the same', async () => {
    const clock = new VirtualClock();
    const shared = new LaterStore(clock);
    shared.weather = 'gone';
    const guard = new GuardedStore(shared, { clock, onDown: 'local-share' });
    guard.configure([rolling(2, hour)], { timeZone: 'UTC', keysMax: 10 });
    const set = guard.prepare([rolling(2, hour)]);
    const admitted = [];
    for (let i = 0; i < 3; i++) admitted.push((await guard.reserve(set, ann, cost())).admitted);
    expect(admitted).toEqual([true, true, false]);
    await guard.close();
  });

  test.each(['open', 'closed', 'local-share'] as const)(
    '%s: noticed only when the guard is closed already, leaves nobody who looks for it',
    async (onDown) => {
      const { shared, ask, guard, changes, clock } = bench(onDown);
      await ask();
      const closed = guard.close();
      shared.weather = 'gone';
      await ask();
      await ask(1, 'bob');
      await closed;
      await clock.run(minute);
      expect(clock.timers).toBe(0);
      expect(changes).toEqual([]);
    },
  );

  test('a running request goes on and is charged when it ends', async () => {
    const { shared, take, left, guard, clock } = bench('closed');
    const receipt = await take(30);
    shared.weather = 'gone';
    expect(await guard.debit(receipt, tokens(20))).toBe(true);
    const settled = guard.settle(receipt, tokens(50));
    await clock.run(1_000);
    expect(await settled).toBe(true);
    shared.recover();
    await clock.run(2_000);
    expect(left()).toEqual([50, 10]);
  });
});

describe('local-share', () => {
  const limits = [rolling(90, hour, some), slots(10), bucket(60, minute, { name: 'bucket' })];

  async function admittedAlone(peers: { count: number; rank: number }, limit: Limit, units: number): Promise<number> {
    const { shared, ask, take } = bench('local-share', [limit]);
    shared.peers = peers;
    await take(0, 'somebody');
    shared.weather = 'gone';
    let admitted = 0;
    for (let i = 0; i < 100; i++) if ((await ask(units)).answer?.admitted === true) admitted++;
    return admitted;
  }

  test.each([1, 2, 3, 4, 7])('of %i processes lets through no more than the limit in all', async (count) => {
    for (const limit of [rolling(90, hour, some), calendar(90, 'day', some), slots(10)]) {
      const amount = limit.algorithm === 'slots' ? 10 : 30;
      let total = 0;
      for (let rank = 0; rank < count; rank++) total += await admittedAlone({ count, rank }, limit, 3);
      expect(total).toBeLessThanOrEqual(amount);
      expect(total).toBeGreaterThan(limit.algorithm === 'slots' ? amount - 1 : amount - count);
    }
  });

  test('counts what this process was let through before: a share that is used up is used up', async () => {
    const { shared, ask, take, guard } = bench('local-share', limits);
    shared.peers = { count: 3, rank: 0 };
    await take(0, 'somebody');
    await guard.settle(await take(30), tokens(25));
    shared.weather = 'gone';
    expect((await ask(6)).answer?.admitted).toBe(false);
    expect((await ask(5)).answer?.admitted).toBe(true);
  });

  test('names the limit itself when it refuses, and says when the share admits again', async () => {
    const { shared, ask, take } = bench('local-share', [bucket(60, minute, { name: 'bucket', capacity: 6 })]);
    shared.peers = { count: 2, rank: 1 };
    await take(0, 'somebody');
    shared.weather = 'gone';
    for (let i = 0; i < 3; i++) await ask();
    const { answer } = await ask();
    if (answer?.admitted !== false) throw new Error('admitted');
    // 30 a minute here, less the 240 ms that asking took.
    expect(answer.limit.amount).toBe(60);
    expect(answer.retryAfterMs).toBeGreaterThan(1_700);
    expect(answer.retryAfterMs).toBeLessThanOrEqual(2_000);
  });

  test('too small to ever fit what the limit would is no refusal for ever: the store is down', async () => {
    const { shared, ask, take } = bench('local-share', [rolling(90, hour, some)]);
    shared.peers = { count: 3, rank: 0 };
    await take(0, 'somebody');
    shared.weather = 'gone';
    expect((await ask(40)).error?.code).toBe('HG_STORE_DOWN');
    expect((await ask(30)).answer?.admitted).toBe(true);
  });

  test('of what streams ends it when the share is spent', async () => {
    const { shared, take, guard } = bench('local-share', [rolling(90, hour, some)]);
    shared.peers = { count: 3, rank: 0 };
    const receipt = await take(10);
    shared.weather = 'gone';
    const more = (units: number): Cost => ({ ...tokens(units), requests: 0 });
    expect(await guard.debit(receipt, more(20))).toBe(true);
    expect(await guard.debit(receipt, more(1))).toBe(false);
  });

  test('is told to the store when that is back, once', async () => {
    const { shared, take, left, guard, clock } = bench('local-share', limits);
    shared.weather = 'gone';
    const [ended, runs] = [await take(20), await take(30)];
    await guard.settle(ended, tokens(25));
    shared.recover();
    await clock.run(2_000);
    expect(left().slice(0, 2)).toEqual([90 - 25 - 30, 9]);
    await guard.settle(runs, tokens(5));
    await clock.run(2_000);
    expect(left().slice(0, 2)).toEqual([60, 10]);
    expect(shared.asked.filter((what) => what === 'record')).toHaveLength(1);
  });
});

describe('an answer that is lost', () => {
  test('is taken to have been a charge: it never counts twice', async () => {
    const { shared, take, left, guard, clock } = bench('open');
    shared.weather = 'replies lost';
    const receipt = await take(30);
    expect(left()).toEqual([70, 9]);
    shared.recover();
    await clock.run(2_000);
    await guard.settle(receipt, tokens(30));
    await clock.run(2_000);
    expect(left()[0]).toBe(70);
    expect(shared.asked).not.toContain('record');
    expect(shared.asked).not.toContain('adopt');
  });

  test('and what was used beyond it is told, be it one token', async () => {
    const { shared, take, left, guard, clock } = bench('open');
    shared.weather = 'replies lost';
    const receipt = await take(30);
    shared.recover();
    await clock.run(2_000);
    await guard.settle(receipt, tokens(31));
    await clock.run(2_000);
    expect(left()[0]).toBe(69);
  });
});

describe('one counter that cannot be read', () => {
  test('does not make the store one that is down', async () => {
    const { shared, ask, changes } = bench('open');
    const original = shared.reserve.bind(shared);
    const { HeadgateError } = await import('../../../src/kernel/errors.js');
    shared.reserve = (set, who, units) =>
      who.identity === 'odd' ? Promise.reject(new HeadgateError('HG_STORE_DATA', 'odd')) : original(set, who, units);
    for (let i = 0; i < 10; i++) expect((await ask(1, 'odd')).answer?.admitted).toBe(true);
    expect((await ask(1)).answer?.states?.length).toBeGreaterThan(0);
    expect(changes).toEqual([]);
  });
});

describe('a lease that is lost', () => {
  test('is told as the receipt that the guard gave out', async () => {
    const { shared, take, guard } = bench('open');
    const lost: Receipt[] = [];
    guard.onLost((receipt) => lost.push(receipt));
    const receipt = await take(1);
    const inner = (receipt as unknown as { shared: Receipt }).shared;
    shared.lose(inner);
    expect(lost.length === 1 && lost[0] === receipt).toBe(true);
  });
});
