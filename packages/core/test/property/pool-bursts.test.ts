/** The pool under bursts of failures, hangs and probes: who is used, who is out, and what is left at the end. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limiter } from '../../src/limiter.js';
import type { Backend } from '../../src/model.js';
import type { Permit } from '../../src/settlement/permit.js';
import { settled } from '../../src/testing/virtual-clock.js';
import { type BurstAction, bursts, playBurst } from '../support/bursts.js';
import { Crowd, type Guest } from '../support/crowd.js';
import { second, world } from '../support/fixtures.js';

const backends = [
  { url: 'http://a', name: 'a', slots: 3 },
  { url: 'http://b', name: 'b', slots: 2, weight: 2 },
  { url: 'http://c', name: 'c', slots: 1, models: ['m0'] },
  { url: 'http://d', name: 'd', slots: 2 },
];
const kinds = [
  { model: 'm0', stream: true, input: 'a conversation '.repeat(100) },
  { model: 'm1', stream: true },
  { model: 'm2', operation: 'embed' as const },
];
const some = bursts({ senders: 3, kinds: 3, length: 80, advanceMsMax: 20_000 });

/** A limiter whose backends answer probes as told, and a crowd whose requests end well, badly or elsewhere. */
function stage(pick: string) {
  const up = new Map(backends.map(({ name }) => [name, true]));
  const loaded = new Map(backends.map(({ name }) => [name, 'm0']));
  const probe = async ({ name }: Backend) => ({ up: up.get(name)!, loaded: [{ model: loaded.get(name)! }] });
  const policy = { backends, pool: { pick }, queue: { depth: 9, wait: '40s' } };
  const { clock, limiter } = world(policy, { probe, random: () => 0.5 });
  const crowd = new Crowd(limiter, clock, kinds);
  const moves: Promise<unknown>[] = [];
  const end = (guest: Guest, permit: Permit, action: BurstAction & { do: 'finish' }): void => {
    const backend = permit.backend!;
    if (action.how === 0) {
      up.set(backend.name, action.nth % 2 === 0);
      loaded.set(backend.name, `m${action.nth % 3}`);
    } else if (action.how === 2) {
      permit.failed('reset');
      const moved = limiter.moveBackend(permit, new Set([backend]), { signal: guest.controller.signal });
      moves.push(moved.catch((error: unknown) => error));
    } else {
      if (action.how === 1) permit.firstByte();
      else permit.failed('died');
      crowd.play(action);
    }
  };
  const play = (action: BurstAction): void => {
    const holding = crowd.with('holding');
    const guest = action.do === 'finish' ? holding[action.nth % Math.max(1, holding.length)] : undefined;
    if (action.do === 'finish' && guest?.permit?.backend !== undefined) end(guest, guest.permit, action);
    else crowd.play(action);
  };
  return { clock, limiter, crowd, play, moves };
}

function wrong(limiter: Limiter): string[] {
  const { backends: all } = limiter.stats();
  const found: string[] = [];
  for (const { name, used, slots } of all) {
    if (used > slots || used < 0) found.push(`${name} has ${used} of ${slots} slots taken`);
  }
  const out = all.filter(({ state }) => state === 'ejected').length;
  if (out > 2) found.push(`${out} of 4 are ejected`);
  const left = all.filter(({ name, usable }) => usable && name !== 'c');
  if (left.length === 0 && all.some(({ state }) => state === 'ejected')) found.push('the last one is ejected');
  return found;
}

describe.each(['least-wait', 'least-busy', 'round-robin', 'random-two'])('with %s', (pick) => {
  test('slots are never oversold, the last backend never ejected, nobody lost, and nothing is left (I3, I12, F5, F6)', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter, crowd, play, moves } = stage(pick);
        await playBurst(steps, play, () => expect(wrong(limiter)).toEqual([]));
        await crowd.goHome();
        await clock.run(45 * second);
        await Promise.all(moves);
        await limiter.close();
        await settled();
        expect(crowd.with('deciding')).toEqual([]);
        expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
        expect(limiter.stats().backends.map(({ used }) => used)).toEqual([0, 0, 0, 0]);
        expect(clock.timers).toBe(0);
      }),
      { runs: 60 },
    ));
});
