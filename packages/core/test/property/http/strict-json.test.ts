import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../../../test/support/seeds.js';
import { parseStrictJson } from '../../../src/http/strict-json.js';

test('whatever JSON.stringify writes reads back as itself', () =>
  holds(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
    }),
    { runs: 300 },
  ));

test('text that JSON.parse refuses is refused, and what is accepted reads the same', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"b"',
    '"',
    '\\',
    '1',
    '-',
    'e9',
    '.',
    'null',
    ' ',
    '\\u0061',
  );
  return holds(
    fc.property(fc.array(pieces, { maxLength: 14 }), (parts) => {
      const text = parts.join('');
      const parsed = parseStrictJson(text);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        expect(parsed.ok).toBe(false);
        return;
      }
      if (parsed.ok) expect(parsed.value).toEqual(value);
      else expect(parsed.problem).toMatch(/duplicate key|too large/);
    }),
    { runs: 2_500 },
  );
});

test('a key that occurs twice in one object is found wherever it is, however it is written', () => {
  const key = fc.string({ minLength: 1, maxLength: 5 });
  const escaped = (text: string) =>
    `"${[...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
  return holds(
    fc.property(
      fc.uniqueArray(key, { minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.jsonValue(),
      fc.nat(5),
      (keys, at, value, depth) => {
        const twice = keys[at % keys.length]!;
        const members = [
          ...keys.map((name) => `${JSON.stringify(name)}:${JSON.stringify(value)}`),
          `${escaped(twice)}:0`,
        ];
        const text = `${'[{"x":'.repeat(depth)}{${members.join(',')}}${'}]'.repeat(depth)}`;
        expect(parseStrictJson(text)).toEqual({ ok: false, problem: `duplicate key ${JSON.stringify(twice)}` });
      },
    ),
    { runs: 300 },
  );
});
