import { describe, expect, test } from 'vitest';
import type { BackendRules } from '../../../src/policy/policy.js';
import type { Slot } from '../../../src/pool/backend.js';
import type { Pool } from '../../../src/pool/pool.js';
import { backend, poolOf, wish } from '../../support/pool.js';

function slotOf(pool: Pool, model = 'm'): Slot {
  const taken = pool.take(wish(model));
  if (typeof taken === 'string') throw new Error(`no slot: ${taken}`);
  return taken;
}

const taken = (pool: Pool, times: number): string =>
  Array.from({ length: times }, () => slotOf(pool).backend.name).join('');

const three = (more: Partial<BackendRules> = {}): BackendRules[] =>
  ['a', 'b', 'c'].map((name) => backend(name, { slots: 9, ...more }));

describe('least-busy', () => {
  const rules = { pick: 'least-busy' };

  test('fills in proportion to weight, whichever stands first', () => {
    const [small, large] = [backend('s', { slots: 9 }), backend('l', { slots: 9, weight: 2 })];
    for (const backends of [
      [small, large],
      [large, small],
    ]) {
      expect(taken(poolOf(backends, { rules }).pool, 9).replaceAll('s', '')).toHaveLength(6);
    }
  });

  test('goes round where all are equal, also when one request ends before the next comes', () => {
    const { pool } = poolOf(three(), { rules });
    const names = Array.from({ length: 6 }, () => {
      const slot = slotOf(pool);
      slot.release();
      return slot.backend.name;
    });
    expect(names.join('')).toBe('abcabc');
  });

  test('uses a suspect only where nothing better is free', () => {
    const { pool } = poolOf([backend('a', { slots: 2 }), backend('b', { slots: 2 })], { rules });
    const first = slotOf(pool);
    expect(first.backend.name).toBe('a');
    first.failed('reset');
    first.release();
    expect(taken(pool, 4)).toBe('bbaa');
  });
});

describe('round-robin', () => {
  test('takes each in its turn whatever they are busy with', () => {
    const { pool } = poolOf(three(), { rules: { pick: 'round-robin' } });
    const first = slotOf(pool);
    expect(first.backend.name + taken(pool, 2)).toBe('abc');
    first.release();
    expect(taken(pool, 4)).toBe('abca');
  });

  test('spreads the turns of a heavier one evenly', () => {
    const backends = [backend('a', { slots: 9, weight: 3 }), backend('b', { slots: 9 })];
    expect(taken(poolOf(backends, { rules: { pick: 'round-robin' } }).pool, 8)).toBe('aabaaaba');
  });

  test('passes over one that has no slot', () => {
    const backends = [backend('a'), backend('b', { slots: 3 })];
    expect(taken(poolOf(backends, { rules: { pick: 'round-robin' } }).pool, 4)).toBe('abbb');
  });
});

describe('random-two', () => {
  test('takes the less busy of two that chance named', () => {
    const chances = [0, 0.99, 0, 0, 0.5, 0, 0.99, 0.99];
    const random = (): number => chances.shift() ?? 0;
    const { pool } = poolOf(three(), { rules: { pick: 'random-two' }, random });
    // a and c, a and b, b and c, c and b: each time the one with fewer, or that was picked longest ago.
    expect(taken(pool, 4)).toBe('abcb');
  });

  test('takes the only one that is free', () => {
    const backends = [backend('a'), backend('b', { slots: 2 })];
    expect(taken(poolOf(backends, { rules: { pick: 'random-two' } }).pool, 3).replaceAll('a', '')).toBe('bb');
  });
});
