/** Limiters of several processes on one shared store: slots that are waited for, budgets of streams, and what is told of limits. */
import { describe, expect, test } from 'vitest';
import { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest } from '../../../src/model.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import { MemoryStore } from '../../../src/store/memory.js';
import type { Receipt } from '../../../src/store/store.js';
import { settled, VirtualClock } from '../../../src/testing/virtual-clock.js';
import { LaterStore } from '../../support/later-store.js';
import { journal, type Visit, visit } from '../../support/timeline.js';

interface Process {
  readonly limiter: Limiter;
  readonly store: LaterStore;
  visit(identity?: string, more?: Partial<AdmitRequest>): Visit;
}

/** Processes with one policy on one store, 2 ms away. */
function processes(policy: object, count = 2): { clock: VirtualClock; all: Process[] } {
  const clock = new VirtualClock();
  const counters = new MemoryStore(clock);
  let seed = 0;
  const random = (): number => {
    seed = (seed + 0.618) % 1;
    return seed;
  };
  const all = Array.from({ length: count }, (_, rank): Process => {
    const store = new LaterStore(clock, counters);
    store.latencyMs = 2;
    store.peers = { count, rank };
    const limiter = new Limiter(parsePolicy(policy), { clock, random, store });
    return { limiter, store, visit: (identity = 'ann', more = {}) => visit(limiter, identity, more) };
  });
  return { clock, all };
}

const backends = (slots: number, count = 1) =>
  Array.from({ length: count }, (_, i) => ({ url: `http://b${i}`, name: `b${i}`, slots }));
const wait = { queue: { depth: 50, wait: '60s' } };

/** What becomes of a second visit to a process once the first, which has the only slot, has ended, and nothing else happens. */
async function handedOver(policy: object) {
  const { clock, all } = processes(policy);
  const [one] = all as [Process];
  const first = one.visit();
  await clock.run(10);
  const next = one.visit();
  await clock.run(100);
  first.permit.settle();
  await settled();
  return next.state;
}

describe('slots of a backend that two processes use', () => {
  test('are never sold twice, and who waits is let through when one is given back elsewhere', async () => {
    const { clock, all } = processes({ backends: backends(2), ...wait });
    const [one, two] = all as [Process, Process];
    const holding = [one.visit(), two.visit()];
    await clock.run(10);
    const waiting = two.visit();
    await clock.run(500);
    expect([...holding, waiting].map(({ state }) => state)).toEqual(['admitted', 'admitted', 'waiting']);
    holding[0]!.permit.settle();
    await clock.run(500);
    expect(waiting.state).toBe('admitted');
  });

  test('are not waited for where the last backend went while the store was asked', async () => {
    const { clock, all } = processes({ backends: backends(1), requests: '10/s', ...wait });
    const [one] = all as [Process];
    const asking = one.visit();
    await clock.run(1);
    await one.limiter.reload({ requests: '10/s' });
    await clock.run(100);
    expect(asking.refusal.reason).toBe('no-backend');
    expect(one.limiter.stats()).toMatchObject({ waiting: 0, open: 0 });
  });

  test('are given back by what is told to stop when its process closes', async () => {
    const { clock, all } = processes({ backends: backends(1), ...wait });
    const [one, two] = all as [Process, Process];
    const cut = one.visit();
    await clock.run(10);
    const waiting = two.visit();
    await clock.run(100);
    // Whoever is cut has to see its connection closed before it can say so.
    cut.permit.whenAborted(() => clock.after(300, () => cut.permit.settle()));
    const closed = one.limiter.close({ drainMs: 0 });
    await clock.run(700);
    await closed;
    expect([one.store.closed, waiting.state]).toEqual([true, 'admitted']);
  });

  test('go to the next who waits in the same process at once', async () => {
    expect(await handedOver({ backends: backends(1), ...wait })).toBe('admitted');
  });

  test('are free for a newcomer without a place to wait, if they are free', async () => {
    const { clock, all } = processes({ backends: backends(1), queue: { depth: 0, wait: '1s' } });
    const [one, two] = all as [Process, Process];
    const visits = [one.visit(), two.visit()];
    await clock.run(50);
    expect(visits.map(({ state }) => state).sort()).toEqual(['admitted', 'refused']);
    expect(visits.find(({ state }) => state === 'refused')?.refusal.reason).toBe('queue-full');
  });

  test('of one that is full elsewhere are passed over for one that is not', async () => {
    const { clock, all } = processes({ backends: backends(1, 3), ...wait });
    const [one, two] = all as [Process, Process];
    const visits: Visit[] = [];
    for (const process of [one, two, one, two]) {
      visits.push(process.visit());
      await clock.run(200);
    }
    expect(visits.map(({ state }) => state)).toEqual(['admitted', 'admitted', 'admitted', 'waiting']);
    expect(new Set(visits.slice(0, 3).map(({ backend }) => backend)).size).toBe(3);
  });

  test('are shared fairly enough: a process that is always busy does not keep them', async () => {
    const { clock, all } = processes({ backends: backends(1), ...wait });
    const served = [0, 0];
    // Both have a crowd that never ends; each answer takes 400 ms.
    const serve = async (which: number): Promise<void> => {
      const one = all[which]!.visit(`id${which}`);
      await one.ended;
      if (one.state !== 'admitted') return;
      clock.after(400, () => {
        served[which]!++;
        one.permit.settle();
        void serve(which);
      });
    };
    for (let i = 0; i < 5; i++) for (const which of [0, 1]) void serve(which);
    for (let i = 0; i < 1_200; i++) await clock.run(50);
    expect(served[0]! + served[1]!).toBeGreaterThan(120);
    expect(Math.min(...served)).toBeGreaterThan(0.3 * Math.max(...served));
  });

  test('of a client that left while it was asked go back', async () => {
    const { clock, all } = processes({ backends: backends(1), ...wait });
    const [one, two] = all as [Process, Process];
    const gone = one.visit();
    await settled();
    gone.leave();
    await clock.run(300);
    const next = two.visit();
    await clock.run(50);
    expect([gone.state, next.state]).toEqual(['left', 'admitted']);
  });
});

describe('limits on slots that are waited for', () => {
  const house = { limits: [{ name: 'house', per: 'all', concurrency: 2 }], ...wait };

  test('hold over both processes', async () => {
    const { clock, all } = processes(house);
    const visits = [0, 1, 0, 1, 0].map((which) => all[which]!.visit());
    await clock.run(400);
    const admitted = () => visits.filter(({ state }) => state === 'admitted').length;
    expect(admitted()).toBe(2);
    for (let ended = 0; ended < 3; ended++) {
      visits
        .filter(
          ({ state, decision }) => state === 'admitted' && decision?.admitted === true && !decision.permit.ended,
        )[0]!
        .permit.settle();
      await clock.run(400);
      expect(admitted()).toBe(3 + ended);
    }
  });

  test('go to the next who waits in the same process at once', async () => {
    const limits = [{ name: 'house', per: 'all', concurrency: 1 }];
    expect(await handedOver({ ...house, limits })).toBe('admitted');
  });

  test('give back what nobody uses after a moment', async () => {
    const { clock, all } = processes(house);
    const [one, two] = all as [Process, Process];
    const holding = [two.visit(), two.visit()];
    await clock.run(20);
    const leaving = one.visit();
    await clock.run(20);
    holding[0]!.permit.settle();
    leaving.leave();
    await clock.run(400);
    const next = two.visit();
    await clock.run(20);
    expect(next.state).toBe('admitted');
    for (const visit of [holding[1]!, next]) visit.permit.settle();
    await clock.run(1_000);
    expect(one.store.counters.stats().open).toBe(0);
  });
});

describe('a request on a store that answers later', () => {
  const policy = { requests: '10/min burst 5', tokens: '1000/hour', concurrency: 3 };

  test('is told where its limits stand without asking again', async () => {
    const { clock, all } = processes(policy, 1);
    const [{ visit: come, store }] = all as [Process];
    const one = come('ann', { input: { tokens: 100 }, outputTokensMax: 50 });
    await clock.run(10);
    const asked = store.asked.length;
    expect(one.decision?.limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ['requests.min', 4],
      ['tokens.hour', 850],
      ['concurrency', 2],
    ]);
    expect(store.asked.length).toBe(asked);
    const refused = come('ann', { input: { tokens: 990 }, outputTokensMax: 1 });
    await clock.run(10);
    expect(refused.refusal).toMatchObject({ reason: 'limit', limit: 'tokens.hour' });
    expect(refused.decision?.limits.map(({ remaining }) => Math.floor(remaining))).toEqual([4, 850, 2]);
  });

  test('can look at its limits, and cannot be decided without a promise', async () => {
    const { clock, all } = processes(policy, 1);
    const [{ limiter }] = all as [Process];
    const looked = limiter.peek({ identity: 'ann' });
    await clock.run(10);
    expect((await looked).map(({ remaining }) => remaining)).toEqual([5, 1000, 3]);
    expect(() => limiter.admitNow({ identity: 'ann' })).toThrow(/HG_STORE_ASYNC|answers at once/);
  });

  test('is stopped in mid-stream once its budget is known to be spent, within one answer of the store', async () => {
    const { clock, all } = processes(policy, 1);
    const [{ visit: come }] = all as [Process];
    const one = come('ann', { input: { tokens: 100 }, outputTokensMax: 5_000 });
    await clock.run(10);
    const { permit } = one;
    let passed = 0;
    for (let i = 0; i < 300 && permit.meter(10) === 'continue'; i++) {
      passed += 10;
      await clock.run(1);
    }
    expect(permit.stoppedBy).toBe('budget');
    // 900 tokens are left for output; the store is two milliseconds away, twice: once with some ahead, once without.
    expect(passed).toBeGreaterThanOrEqual(900);
    expect(passed).toBeLessThanOrEqual(900 + 6 * 10);
    permit.settle({ inputTokens: 100, outputTokens: passed });
    await clock.run(10);
    const looked = all[0]!.limiter.peek({ identity: 'ann' });
    await clock.run(10);
    expect((await looked)[1]?.remaining).toBe(900 - passed);
  });

  test('asks the store a few times for a stream, not for each of its tokens', async () => {
    const { clock, all } = processes({ tokens: '1M/hour' }, 1);
    const [{ visit: come, store }] = all as [Process];
    const one = come('ann', { input: { tokens: 10 } });
    await clock.run(10);
    for (let i = 0; i < 1_000; i++) {
      one.permit.meter(1);
      await clock.run(10);
    }
    expect(store.asked.filter((what) => what === 'debit').length).toBeLessThan(20);
    one.permit.settle();
    await clock.run(10);
    const looked = all[0]!.limiter.peek({ identity: 'ann' });
    await clock.run(10);
    expect((await looked)[0]?.remaining).toBe(1_000_000 - 1_010);
  });

  test('is told to stop when its slot went to another', async () => {
    const { clock, all } = processes(policy, 1);
    const [{ visit: come, store, limiter }] = all as [Process];
    const receipts: Receipt[] = [];
    const { reserve } = store;
    store.reserve = async (...args) => {
      const answer = await reserve.apply(store, args);
      if (answer.admitted) receipts.push(answer);
      return answer;
    };
    const [one, other] = [come('ann'), come('bob')];
    await clock.run(10);
    store.lose(receipts[0]!);
    expect(one.permit.signal.aborted).toBe(true);
    expect(one.permit.signal.reason).toMatchObject({ code: 'HG_LEASE_LOST' });
    expect(other.permit.signal.aborted).toBe(false);
    one.permit.settle();
    other.permit.settle();
    await clock.run(10);
    expect(limiter.stats().open).toBe(0);
  });

  test('is refused with 503 and a reason where the policy says closed, and told when the store went and came', async () => {
    const { clock, all } = processes({ ...policy, store: { redis: 'redis://somewhere', onDown: 'closed' } }, 1);
    const [{ visit: come, store, limiter }] = all as [Process];
    const told: string[] = [];
    limiter.on('store-down', ({ cause }) => told.push(`down: ${cause}`));
    limiter.on('store-up', () => told.push('up'));
    store.weather = 'gone';
    const refused = come();
    await clock.run(1);
    expect(refused.refusal).toMatchObject({ reason: 'store-down', status: 503, retryAfterMs: 1_000 });
    store.recover();
    await clock.run(3_000);
    const admitted = come();
    await clock.run(10);
    expect([admitted.state, told]).toEqual(['admitted', ['down: gone', 'up']]);
  });

  test('waits for a backend, and gets it, while the store is gone', async () => {
    const { clock, all } = processes({ backends: backends(2), ...wait });
    const [one, two] = all as [Process, Process];
    // They know of each other once they were answered.
    for (const visitor of [one.visit(), two.visit()]) {
      await clock.run(50);
      visitor.permit.settle();
    }
    await clock.run(500);
    for (const { store } of all) store.weather = 'gone';
    const visits = [one.visit(), one.visit(), two.visit(), two.visit()];
    await clock.run(1_000);
    // One slot of the two for each of the two.
    expect(visits.map(({ state }) => state)).toEqual(['admitted', 'waiting', 'admitted', 'waiting']);
    visits[0]!.permit.settle();
    await clock.run(200);
    expect(visits[1]!.state).toBe('admitted');
  });

  test('leaves nothing behind: no slot, no timer, no open receipt', async () => {
    const { clock, all } = processes({ ...policy, backends: backends(1), ...wait });
    const log = journal(all[0]!.limiter);
    const visits = ['ann', 'bob', 'cal', 'dan'].map((identity, i) => all[i % 2]!.visit(identity));
    for (let i = 0; i < 40; i++) {
      await clock.run(100);
      for (const one of visits) if (one.state === 'admitted' && !one.permit.ended) one.permit.settle();
    }
    await clock.run(1_000);
    expect(log).toContain('ann permit-released');
    expect(all.map(({ limiter }) => limiter.stats())).toMatchObject([
      { inFlight: 0, waiting: 0, open: 0 },
      { inFlight: 0, waiting: 0, open: 0 },
    ]);
    for (const { limiter } of all) {
      const closed = limiter.close();
      await clock.run(100);
      await closed;
    }
    expect([all[0]!.store.counters.stats().open, clock.timers]).toEqual([0, 0]);
  });
});
