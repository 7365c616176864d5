/** The whole limiter under bursts: slots, the queue, hand-over and endings. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limiter } from '../../src/limiter.js';
import { settled } from '../../src/testing/virtual-clock.js';
import { bursts, playBurst } from '../support/bursts.js';
import { Crowd } from '../support/crowd.js';
import { second, world } from '../support/fixtures.js';

const policies = {
  'one slot': { backends: ['http://a'], queue: { depth: 3, wait: '5s' } },
  'three slots on two backends': {
    backends: [
      { url: 'http://a', slots: 2, models: ['m0', 'm1'] },
      { url: 'http://b', slots: 1, models: ['m1', 'm2'] },
    ],
    queue: { depth: 4, wait: '5s' },
    requests: '20/min burst 8',
  },
  'queued concurrency over all and on a model': {
    limits: [
      { name: 'house', per: 'all', concurrency: 3 },
      { name: 'big', match: { model: 'm0' }, per: 'model', concurrency: 1 },
    ],
    queue: { depth: 4, wait: '5s' },
    tokens: '500/min',
  },
  'everything at once, with turns to wait for': {
    backends: [
      { url: 'http://a', slots: 2 },
      { url: 'http://b', slots: 1, models: ['m1'] },
    ],
    limits: [
      { name: 'house', per: 'all', concurrency: 2 },
      { name: 'own', concurrency: 2, queue: true },
      { name: 'paced', requests: '30/min burst 6', delay: { after: 2 } },
    ],
    queue: { depth: 5, wait: '5s' },
  },
} as const;

const kinds = [{ model: 'm0' }, { model: 'm1' }, { model: 'm2' }];
const effort = { runs: 60 };
const names = Object.keys(policies) as (keyof typeof policies)[];

function oversold(limiter: Limiter): string[] {
  return limiter
    .stats()
    .backends.filter(({ used, slots }) => used > slots || used < 0)
    .map(({ name, used, slots }) => `${name} has ${used} of ${slots} slots taken`);
}

describe.each(names)('with %s', (name) => {
  const policy: object = policies[name];
  /** The same, with a pool that never keeps a request for a better backend. */
  const busy = { ...policy, pool: { pick: 'least-busy' } };
  const some = bursts({ senders: 3, kinds: 3, length: 60, advanceMsMax: 3_000 });

  test('a backend or a queued limit never has more than its slots, at any step (I12)', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(policy);
        const crowd = new Crowd(limiter, clock, kinds);
        await playBurst(
          steps,
          (action) => crowd.play(action),
          () => {
            expect(oversold(limiter)).toEqual([]);
            for (const { request } of crowd.guests.slice(-2)) {
              for (const { measure, remaining, limit } of limiter.peekNow(request)) {
                if (measure !== 'concurrency') continue;
                expect(remaining).toBeGreaterThanOrEqual(0);
                expect(remaining).toBeLessThanOrEqual(limit);
              }
            }
          },
        );
        await crowd.goHome();
      }),
      effort,
    ));

  test('who was accepted into the queue is refused only by the deadline, and everyone is decided (I6)', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(policy);
        const crowd = new Crowd(limiter, clock, kinds);
        const queued = new Set<string>();
        const early: string[] = [];
        // The identity of each request is its own, so that events can be told apart.
        limiter.on('request-queued', ({ identity }) => queued.add(identity.id));
        limiter.on('request-refused', ({ identity, refusal, waitedMs }) => {
          if (!queued.has(identity.id) || (refusal.reason === 'queue-timeout' && waitedMs >= 5 * second)) return;
          early.push(`${refusal.reason} after ${waitedMs}`);
        });
        let number = 0;
        await playBurst(steps, (action) => crowd.play(action.do === 'arrive' ? { ...action, who: number++ } : action));
        await crowd.goHome();
        expect(early).toEqual([]);
        expect(crowd.with('deciding')).toEqual([]);
      }),
      effort,
    ));

  test('nobody who waits for the same things, and not by choice, is overtaken by latecomers or by each other (I6)', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(busy);
        const crowd = new Crowd(limiter, clock, kinds);
        const waiting = new Map<string, { model: string; until: number }>();
        const arrivedAt: number[] = [];
        const overtaken: string[] = [];
        // Told a microtask after the arrival, and the clock may have moved by then.
        limiter.on('request-queued', ({ identity, model }) =>
          waiting.set(identity.id, { model, until: arrivedAt[Number(identity.id.slice(2))]! + 5 * second }),
        );
        limiter.on('request-refused', ({ identity }) => waiting.delete(identity.id));
        limiter.on('waiter-left', ({ identity }) => waiting.delete(identity.id));
        limiter.on('request-admitted', ({ identity, model }) => {
          for (const [id, ahead] of waiting) {
            if (id === identity.id) break;
            // Who was evicted in this instant is told a microtask later.
            if (ahead.model === model && ahead.until > clock.now()) overtaken.push(`${identity.id} before ${id}`);
          }
          waiting.delete(identity.id);
        });
        await playBurst(steps, (action) => {
          if (action.do !== 'arrive') crowd.play(action);
          else crowd.play({ ...action, who: arrivedAt.push(clock.now()) - 1 });
        });
        await crowd.goHome();
        expect(overtaken).toEqual([]);
      }),
      effort,
    ));

  test('no slot is idle while the head of a line could use it', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(policy);
        const crowd = new Crowd(limiter, clock, kinds);
        await playBurst(steps, (action) => crowd.play(action));
        // Whoever still waits when all permits have ended is let through one after the other, with no time passing.
        for (let round = 0; round < 100 && limiter.stats().waiting > 0; round++) {
          for (let i = 0; i < 20; i++) await Promise.resolve();
          const holding = crowd.with('holding');
          if (holding.length === 0) break;
          for (const guest of holding) {
            guest.state = 'ended';
            guest.permit?.settle();
          }
        }
        for (let i = 0; i < 20; i++) await Promise.resolve();
        const { waiting } = limiter.stats();
        await crowd.goHome();
        if (name !== 'everything at once, with turns to wait for') expect(waiting).toBe(0);
      }),
      effort,
    ));

  test('every permit and every reservation ends once, and nothing is held at the end (I3, I4)', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(policy);
        const crowd = new Crowd(limiter, clock, kinds);
        const granted: string[] = [];
        const released: string[] = [];
        const closed: string[] = [];
        limiter.on('request-admitted', ({ permitId }) => granted.push(permitId));
        limiter.on('permit-released', ({ permitId }) => released.push(permitId));
        limiter.on('reservation-settled', ({ permitId }) => closed.push(permitId));
        limiter.on('reservation-cancelled', ({ permitId }) => closed.push(permitId));
        await playBurst(
          steps,
          (action) => crowd.play(action),
          () => {
            expect(limiter.stats().inFlight).toBe(granted.length - released.length);
            expect(limiter.stats().waiting).toBeLessThanOrEqual(crowd.with('deciding').length);
          },
        );
        await crowd.goHome();
        expect([...granted].sort()).toEqual([...released].sort());
        expect([...granted].sort()).toEqual([...closed].sort());
        expect(new Set(granted).size).toBe(granted.length);
        const { inFlight, waiting, open, backends } = limiter.stats();
        expect({ inFlight, waiting, open, used: backends.map(({ used }) => used) }).toEqual({
          inFlight: 0,
          waiting: 0,
          open: 0,
          used: backends.map(() => 0),
        });
        expect(clock.timers).toBe(0);
        for (const { request } of crowd.guests) {
          for (const { measure, remaining, limit } of limiter.peekNow(request)) {
            if (measure === 'concurrency') expect(remaining).toBe(limit);
          }
        }
      }),
      effort,
    ));
});

describe('moving between backends', () => {
  const three = {
    backends: [
      { url: 'http://a', name: 'a', slots: 2 },
      { url: 'http://b', name: 'b', slots: 1 },
      { url: 'http://c', name: 'c', slots: 1, models: ['m1'] },
    ],
    queue: { depth: 4, wait: '5s' },
  };

  test('in a burst of arrivals, ends and departures oversells nothing and loses nobody (F6, I12)', () =>
    holds(
      fc.asyncProperty(bursts({ senders: 3, kinds: 2, length: 60, advanceMsMax: 3_000 }), async (steps) => {
        const { clock, limiter } = world(three);
        const crowd = new Crowd(limiter, clock, kinds);
        const moves: Promise<unknown>[] = [];
        await playBurst(
          steps,
          (action) => {
            const holding = crowd.with('holding');
            const guest = action.do === 'finish' ? holding[action.nth % Math.max(1, holding.length)] : undefined;
            const backend = guest?.permit?.backend;
            // Every other ending is a failed attempt: the guest tries elsewhere, and may end or leave while it waits.
            if (
              guest?.permit === undefined ||
              backend === undefined ||
              action.do !== 'finish' ||
              action.how % 2 === 0
            ) {
              return crowd.play(action);
            }
            const { signal } = guest.controller;
            moves.push(limiter.moveBackend(guest.permit, new Set([backend]), { signal }).catch((error) => error));
          },
          () => expect(oversold(limiter)).toEqual([]),
        );
        await crowd.goHome();
        for (let i = 0; i < 6; i++) await clock.run(second);
        await Promise.all(moves);
        expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
        expect(limiter.stats().backends.map(({ used }) => used)).toEqual([0, 0, 0]);
        expect(clock.timers).toBe(0);
      }),
    ));
});

describe('the queue', () => {
  test('never holds more than its depth, whatever arrives (I10)', () =>
    holds(
      fc.asyncProperty(bursts({ senders: 5, length: 80 }), fc.nat({ max: 4 }), async (steps, depth) => {
        const { clock, limiter } = world({ backends: ['http://a'], queue: { depth, wait: '5s' } });
        const crowd = new Crowd(limiter, clock);
        await playBurst(
          steps,
          (action) => crowd.play(action),
          () => expect(limiter.stats().waiting).toBeLessThanOrEqual(depth),
        );
        await crowd.goHome();
      }),
    ));

  test('keeps nothing of clients that come and leave: no waiter, no timer, no listener on their signal', async () => {
    const { clock, limiter } = world({ backends: ['http://a'], queue: { depth: 3, wait: '5s' }, requests: '1000/s' });
    let holder = await limiter.admit({});
    const release = () => holder.admitted && holder.permit.settle();
    let listeners = 0;
    for (let i = 0; i < 2_000; i++) {
      const controller = new AbortController();
      const { signal } = controller;
      const { addEventListener, removeEventListener } = signal;
      signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listeners++;
        return addEventListener.apply(signal, args);
      };
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listeners--;
        return removeEventListener.apply(signal, args);
      };
      const answer = limiter.admit({ model: `m${i}` }, { signal }).catch(() => 'left' as const);
      // One waits until its deadline, one gets the slot, one leaves sooner or later.
      const ending = (['deadline', 'slot', 'leaves'] as const)[i % 3];
      if (ending === 'deadline') await clock.run(5 * second);
      else if (ending === 'slot') {
        await settled();
        release();
      } else {
        for (let n = 0; n < i % 5; n++) await Promise.resolve();
        // A listener that is told once takes itself off.
        listeners -= limiter.stats().waiting;
        controller.abort();
      }
      const decided = await answer;
      expect(decided === 'left').toBe(ending === 'leaves');
      if (ending === 'slot' && decided !== 'left') holder = decided;
    }
    expect(limiter.stats()).toMatchObject({ waiting: 0, inFlight: 1, open: 1 });
    expect({ timers: clock.timers, listeners }).toEqual({ timers: 0, listeners: 0 });
    release();
  });
});
