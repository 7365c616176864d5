/** A policy that is loaded again in the middle of everything. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limiter } from '../../src/limiter.js';
import { parsePolicy } from '../../src/policy/parse.js';
import type { VirtualClock } from '../../src/testing/virtual-clock.js';
import { bursts, playBurst } from '../support/bursts.js';
import { Crowd } from '../support/crowd.js';
import { world } from '../support/fixtures.js';

const backends = [
  { url: 'http://a', slots: 2, models: ['m0', 'm1'] },
  { url: 'http://b', slots: 1, models: ['m1', 'm2'] },
];
/**
 * A reload asks everyone who waits again. Who waits for a better backend than one that is free may be told something else then, as time
 * has passed; among those that are only counted nothing changes with time.
 */
const pool = { pick: 'least-busy' };

const policies = {
  'slots, a queue and every kind of window': {
    backends,
    pool,
    queue: { depth: 4, wait: '5s' },
    requests: ['20/min burst 8', '40/hour rolling'],
    tokens: ['5k/min', '20k/day'],
    concurrency: 3,
  },
  'strict priorities, and limits over several scopes': {
    backends,
    pool,
    queue: { depth: 5, wait: '4s', priority: 'strict', aging: '2s' },
    identity: [{ apiKey: { keys: { k0: { id: 'id0', tier: 'paid' }, k1: { id: 'id1', weight: 3 } } } }],
    tiers: { paid: { priority: 'high', tokens: '9k/hour' } },
    limits: [
      { name: 'house', per: 'all', concurrency: 3 },
      { name: 'big', match: { model: 'm0' }, per: ['identity', 'model'], requests: '10/min', alertAt: 0.5 },
      { name: 'trial', per: 'model', requests: '3/min', mode: 'shadow' },
    ],
  },
  'turns to wait for, and first come, first served': {
    backends,
    pool,
    queue: { depth: 5, wait: '5s', fairness: 'none' },
    limits: [{ name: 'paced', requests: '30/min burst 6', delay: { after: 2 } }],
  },
} as const;

const kinds = [{ model: 'm0' }, { model: 'm1', input: { tokens: 700 } }, { model: 'm2', outputTokensMax: 300 }];
const steps = bursts({ senders: 3, kinds: kinds.length, length: 60, advanceMsMax: 3_000 });

const told = [
  ...['request-queued', 'request-admitted', 'request-refused', 'request-would-refuse', 'waiter-left'],
  ...['reservation-settled', 'reservation-cancelled', 'permit-released', 'limit-alert'],
] as const;

/** All that is told, but for the numbers of permits, which count on through all limiters. */
function listen(limiter: Limiter): string[] {
  const lines: string[] = [];
  const line = (name: string) => (event: object) => {
    lines.push(JSON.stringify([name, { ...event, permitId: '' }]));
  };
  for (const name of told) limiter.on(name as 'request-queued', line(name));
  return lines;
}

/** All that can be seen from outside. */
function view(limiter: Limiter, crowd: Crowd, clock: VirtualClock): unknown {
  const { backends, ...stats } = limiter.stats();
  return {
    guests: crowd.guests.map(({ state, refusal }) => [state, refusal]),
    stats,
    backends: backends.map(({ name, used }) => [name, used]),
    states: [0, 1, 2].flatMap((who) => kinds.map((kind) => limiter.peekNow({ identity: `id${who}`, ...kind }))),
    timers: clock.timers,
  };
}

const names = Object.keys(policies) as (keyof typeof policies)[];

describe.each(names)('with %s', (name) => {
  const policy: object = policies[name];

  test('the same policy again changes nothing: no decision, no counter, no event, nobody waiting', () =>
    holds(
      fc.asyncProperty(steps, fc.infiniteStream(fc.nat({ max: 3 })), async (actions, dice) => {
        const plain = world(policy);
        const reloaded = world(policy);
        const crowds = [plain, reloaded].map(({ limiter, clock }) => new Crowd(limiter, clock, kinds));
        const [plainLines, reloadedLines] = [listen(plain.limiter), listen(reloaded.limiter)];
        await playBurst(
          actions,
          (action) => {
            for (const crowd of crowds) crowd.play(action);
            if (dice.next().value === 0) void reloaded.limiter.reload(parsePolicy(policy));
          },
          () => {
            const views = [plain, reloaded].map(({ limiter, clock }, i) => view(limiter, crowds[i]!, clock));
            expect(views[1]).toEqual(views[0]);
          },
        );
        for (const crowd of crowds) await crowd.goHome();
        expect(reloadedLines).toEqual(plainLines);
      }),
      { runs: 25 },
    ));
});

test('whatever policies follow each other, everyone is decided, slots are not oversold and nothing is left behind', () =>
  holds(
    fc.asyncProperty(steps, fc.infiniteStream(fc.nat({ max: 11 })), async (actions, dice) => {
      const { limiter, clock } = world(policies[names[0]!]);
      const crowd = new Crowd(limiter, clock, kinds);
      const next = [...names.map((name) => policies[name]), {}, { backends: [backends[0]] }].map((policy) =>
        parsePolicy(policy),
      );
      await playBurst(
        actions,
        (action) => {
          crowd.play(action);
          const policy = next[dice.next().value];
          if (policy !== undefined) void limiter.reload(policy);
        },
        () => {
          for (const { used, slots } of limiter.stats().backends) {
            expect(used).toBeGreaterThanOrEqual(0);
            expect(used).toBeLessThanOrEqual(slots);
          }
        },
      );
      await crowd.goHome();
      expect(crowd.with('deciding')).toEqual([]);
      expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
      expect(limiter.stats().backends.filter(({ used }) => used !== 0)).toEqual([]);
      for (const who of [0, 1, 2]) {
        for (const kind of kinds) {
          const held = limiter
            .peekNow({ identity: `id${who}`, ...kind })
            .filter(({ measure }) => measure === 'concurrency');
          expect(held.filter(({ remaining, limit }) => remaining !== limit)).toEqual([]);
        }
      }
    }),
    { runs: 40 },
  ));
