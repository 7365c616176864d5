import { describe, expect, test } from 'vitest';
import { blocksOf, prefixOf, ShadowCache, shareOf } from '../../../src/pool/affinity.js';
import { blocks } from '../../support/pool.js';

const prefix = (...words: string[]) => prefixOf('m', [blocks(...words)]);

describe('the blocks of a prompt', () => {
  test('are the same as far as two prompts are the same, and differ from there on', () => {
    const one = prefix('system', 'hello', 'how are you').hashes;
    const other = prefix('system', 'hello', 'who are you').hashes;
    expect(one).toHaveLength(3);
    expect(other.slice(0, 2)).toEqual(one.slice(0, 2));
    expect(other[2]).not.toBe(one[2]);
  });

  test('stand for all that comes before them, not for their own text alone', () => {
    expect(prefix('a', 'same').hashes[1]).not.toBe(prefix('b', 'same').hashes[1]);
  });

  test('of another model have nothing in common', () => {
    const text = [blocks('system', 'hello')];
    const [one, other] = [prefixOf('m', text).hashes, prefixOf('n', text).hashes];
    expect(one.filter((hash) => other.includes(hash))).toEqual([]);
  });

  test('of several texts know where each text ends', () => {
    const tail = 'x'.repeat(1_000);
    expect(prefixOf('m', ['ab', 'c', tail]).hashes).not.toEqual(prefixOf('m', ['a', 'bc', tail]).hashes);
    expect(prefixOf('m', ['ab', 'c', tail]).hashes).toEqual(prefixOf('m', ['ab', 'c', tail]).hashes);
  });

  test('of a conversation that goes on begin like those before', () => {
    const turns = ['be brief', 'q'.repeat(700), 'a'.repeat(700)];
    const before = prefixOf('m', turns).hashes;
    const after = prefixOf('m', [...turns, 'and then?'.repeat(100)]).hashes;
    expect(after.length).toBeGreaterThan(before.length);
    expect(after.slice(0, before.length)).toEqual(before);
  });

  test('are none for a text shorter than one', () => {
    expect(prefixOf('m', ['x'.repeat(511)]).hashes).toEqual([]);
    expect(prefixOf('m', []).hashes).toEqual([]);
  });

  test('are at most 256, however long the prompt', () => {
    const long = prefixOf('m', ['x'.repeat(1_000_000)]);
    expect(long.hashes).toHaveLength(256);
    expect(shareOf(long, 256)).toBeCloseTo((256 * 512) / 1_000_000);
  });

  test('tell the share of the prompt that is known', () => {
    expect(shareOf(prefix('a', 'b', 'c', 'd'), 1)).toBe(0.25);
    expect(shareOf(prefix('a', 'b', 'c', 'd'), 4)).toBe(1);
    expect(shareOf(prefixOf('m', ['short']), 0)).toBe(0);
  });

  test('that a context holds are counted at four characters a token', () => {
    expect(blocksOf(8_192)).toBe(64);
    expect(blocksOf(1)).toBe(1);
  });
});

describe('the shadow of a prompt cache', () => {
  test('knows what was sent, from the first block on', () => {
    const cache = new ShadowCache(10);
    cache.add(prefix('s', 'a', 'b'));
    expect(cache.match(prefix('s', 'a', 'b', 'c'))).toBe(3);
    expect(cache.match(prefix('s', 'x', 'b'))).toBe(1);
    expect(cache.match(prefix('t', 'a', 'b'))).toBe(0);
  });

  test('holds no more than it was given, and forgets the ends of the oldest prompts first', () => {
    const cache = new ShadowCache(4);
    cache.add(prefix('s', 'a1', 'a2'));
    cache.add(prefix('s', 'b1', 'b2'));
    expect(cache.size).toBe(4);
    expect(cache.match(prefix('s', 'b1', 'b2'))).toBe(3);
    expect(cache.match(prefix('s', 'a1', 'a2'))).toBe(2);
    cache.resize(2);
    expect(cache.match(prefix('s', 'b1', 'b2'))).toBe(2);
    expect(cache.match(prefix('s', 'a1'))).toBe(1);
  });

  test('keeps what is used', () => {
    const cache = new ShadowCache(4);
    cache.add(prefix('kept', '1'));
    cache.add(prefix('old', '1'));
    cache.add(prefix('kept', '1'));
    cache.add(prefix('new', '1'));
    expect([cache.match(prefix('kept', '1')), cache.match(prefix('old', '1'))]).toEqual([2, 0]);
  });
});
