/** Names of rows: different subjects never share one, and braces in them mean nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { subject } from '../../../core/test/support/fixtures.js';
import { encoded, rowKey, tableName } from '../../src/keys.js';

describe('keys', () => {
  test.each([
    [['identity'], undefined, 'hg:{ann}:identity'],
    [['identity'], 'free', 'hg:{ann}:identity@free'],
    [['model', 'identity'], undefined, 'hg:{ann}:identity+model:3:ann2:m1'],
    [['address'], undefined, 'hg:{::1}:address'],
    [['model'], undefined, 'hg:{m1}:model'],
    [['tier'], undefined, 'hg:{gold}:tier'],
    [['all'], undefined, 'hg:{all}:all'],
    [['run'], undefined, 'hg:{ann}:run:3:annr7'],
  ] as const)('per %s of tier %s are called %s', (per, tier, key) => {
    const who = subject('ann', { address: '::1', model: 'm1', tier: 'gold', run: 'r7' });
    expect(rowKey('hg', tableName(per, tier), per, who)).toBe(key);
  });

  test('of one identity have one tag, so that they live together in a Cluster', () => {
    const who = subject('a}{b', { model: 'm{1}', run: '{' });
    const tags = ([['identity'], ['identity', 'model'], ['run'], ['address', 'identity']] as const).map((per) => {
      const key = rowKey('hg', tableName(per, 'ti{er'), per, who);
      return key.slice(key.indexOf('{') + 1, key.indexOf('}'));
    });
    expect(new Set(tags)).toEqual(new Set(['a%7d%7bb']));
  });

  test('are never the same for two names, whatever is in these', async () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[%{}a7bd]{0,8}$/),
      // Halves of characters, which UTF-8 writes all alike.
      fc
        .array(fc.integer({ min: 0xd7ff, max: 0xe000 }), { maxLength: 4 })
        .map((codes) => String.fromCharCode(...codes)),
      fc.string({ minLength: 150, maxLength: 300 }),
    );
    await holds(
      fc.property(name, name, (a, b) => {
        fc.pre(a !== b);
        const [left, right] = [Buffer.from(encoded(a)), Buffer.from(encoded(b))];
        expect(left.equals(right)).toBe(false);
      }),
      { runs: 2_000 },
    );
  });

  test('are bounded in length', () => {
    const who = subject('x'.repeat(100_000), { model: 'y'.repeat(100_000) });
    expect(rowKey('hg', 'identity+model', ['identity', 'model'], who).length).toBeLessThan(250);
  });
});
