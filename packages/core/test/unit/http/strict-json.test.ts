import { describe, expect, test } from 'vitest';
import { leastCpuMs } from '../../../../../test/support/cpu.js';
import { parseStrictJson, parseStrictJsonBytes } from '../../../src/http/strict-json.js';

const problem = (text: string, limits = {}): string | undefined => {
  const parsed = parseStrictJson(text, limits);
  return parsed.ok ? undefined : parsed.problem;
};

describe('what JSON.parse accepts and every reader agrees on', () => {
  test.each([
    'null',
    ' {"a": [1, -2.5e3, true, false, null, "x"], "b": {"a": {}}} \n',
    '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
    '"\\ud83c\\udf0d \\"quoted\\" \\\\"',
    '{"":0,"\\\\":1,"\\"":2,"a\\"b":[],"e":1e5}',
    '[1e308, -1e308, 1e-999, 0.1]',
    '[1e+5, -1.5E+2, 0.1e309]',
    `{${Array.from({ length: 50 }, (_, index) => `"k${index}":{"k${index}":1}`).join(',')}}`,
  ])('%s', (text) => {
    expect(parseStrictJson(text)).toEqual({ ok: true, value: JSON.parse(text) });
  });

  test('a key __proto__ is an own property and changes no prototype', () => {
    const parsed = parseStrictJson('{"__proto__":{"stream":true},"a":1}');
    const value = (parsed as { value: object }).value;
    expect(Object.keys(value)).toEqual(['__proto__', 'a']);
    expect((value as { stream?: boolean }).stream).toBeUndefined();
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toBe('{"__proto__":{"stream":true},"a":1}');
  });
});

describe('what two readers could read differently', () => {
  test.each([
    ['{"model":"a","model":"b"}', 'duplicate key "model"'],
    ['{"model":"a","mod\\u0065l":"b"}', 'duplicate key "model"'],
    ['[{"a":{"b":1,"c":[2],"b":3}}]', 'duplicate key "b"'],
    ['{"a":{"x":1},"b":"}","a":2}', 'duplicate key "a"'],
    ['{"__proto__":1,"__proto__":2}', 'duplicate key "__proto__"'],
    [`{${Array.from({ length: 20 }, (_, index) => `"k${index}":{}`).join(',')},"k3":1}`, 'duplicate key "k3"'],
    [`{${Array.from({ length: 20 }, (_, index) => `"k${index}":{}`).join(',')},"k19":1}`, 'duplicate key "k19"'],
    ['\ufeff{}', 'the body starts with a byte order mark'],
    ['{"a":1e400}', 'the body holds a number too large to represent'],
    [`[-${'9'.repeat(400)}]`, 'the body holds a number too large to represent'],
    ['', 'the body is empty'],
    [' \n', 'the body is empty'],
  ])('%s', (text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  test.each([
    '{"model":"a"}{"model":"zzz"}trailing',
    '{"a":1},',
    '{"a":NaN}',
    '{"a":Infinity}',
    "{'a':1}",
    '{"a":1,}',
    '{"a":01}',
    '{"a":+1}',
    '{"a',
    '{"a":"\n"}',
    'nul',
    '// comment\n{}',
    '{"a":1} \u00a0',
  ])('not JSON: %s', (text) => {
    expect(problem(text)).toMatch(/^the body is not valid JSON/);
  });

  test('a syntax error does not quote the body', () => {
    expect(problem('{"prompt": secret words}')).not.toContain('secret');
  });
});

describe('bounds, judged before the text is parsed', () => {
  test('depth', () => {
    expect(problem('[[[1]]]', { depthMax: 3 })).toBeUndefined();
    expect(problem('[[{"a":[1]}]]', { depthMax: 3 })).toBe('the body is nested deeper than 3 levels');
    expect(problem('['.repeat(1_000_000))).toBe('the body is nested deeper than 100 levels');
  });

  test('brackets in strings are no depth', () => {
    expect(problem('["[[[[","\\"[[[["]', { depthMax: 1 })).toBeUndefined();
  });

  test('keys and values', () => {
    expect(problem('{"a":1,"b":{"c":2}}', { keysMax: 3 })).toBeUndefined();
    expect(problem('{"a":1,"b":{"c":2}}', { keysMax: 2 })).toBe('the body has more than 2 keys');
    expect(problem('[1,[2,3]]', { valuesMax: 3 })).toBeUndefined();
    expect(problem('[1,[2,3]]', { valuesMax: 2 })).toBe('the body has more than 2 values');
  });
});

describe('bytes', () => {
  test('are UTF-8 or nothing', () => {
    const encode = (text: string) => new TextEncoder().encode(text);
    expect(parseStrictJsonBytes(encode('{"a":"wörld 🌍"}'))).toEqual({ ok: true, value: { a: 'wörld 🌍' } });
    const invalid = Uint8Array.of(0x22, 0xc3, 0x22);
    expect(parseStrictJsonBytes(invalid)).toEqual({ ok: false, problem: 'the body is not valid UTF-8' });
    const surrogate = Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22);
    expect(parseStrictJsonBytes(surrogate)).toEqual({ ok: false, problem: 'the body is not valid UTF-8' });
    const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d);
    expect(parseStrictJsonBytes(marked)).toEqual({ ok: false, problem: 'the body starts with a byte order mark' });
  });
});

describe('time grows with the length of the text and no faster', () => {
  const costMs = (text: string, parse: (bytes: Uint8Array) => unknown = parseStrictJsonBytes): Promise<number> => {
    const bytes = new TextEncoder().encode(text);
    return leastCpuMs(() => parse(bytes));
  };

  test('a prompt of one megabyte of one letter takes no more than a few times what JSON.parse takes', async () => {
    const text = JSON.stringify({ model: 'm', prompt: 'a'.repeat(1_000_000) });
    const decoder = new TextDecoder();
    const parsedMs = await costMs(text, (bytes) => JSON.parse(decoder.decode(bytes)));
    expect(await costMs(text)).toBeLessThan(25 * parsedMs);
  });

  test('the keys of one object take no more than a few times what a set of them takes', async () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `k${index}`);
    const text = `{${keys.map((key) => `"${key}":1`).join(',')}}`;
    // Slices of a text, as a reader has them: those take longer to hash than words that were made apart.
    const decoder = new TextDecoder();
    const asSet = (bytes: Uint8Array): unknown => {
      const whole = decoder.decode(bytes);
      return (
        new Set(whole.split(',').map((member) => member.slice(1, -2))).size + Object.keys(JSON.parse(whole)).length
      );
    };
    expect(await costMs(text)).toBeLessThan(20 * (await costMs(text, asSet)));
  });

  test.each([
    ['escaped quotes', (size: number) => JSON.stringify('"'.repeat(size / 2))],
    ['backslashes', (size: number) => JSON.stringify('\\'.repeat(size / 2))],
    ['open brackets', (size: number) => '['.repeat(size)],
    ['empty strings', (size: number) => `[${'"",'.repeat(size / 3)}""]`],
    ['digits', (size: number) => '9'.repeat(size)],
  ])('%s: thirty-two times the text takes far less than the 1,024 times of quadratic work', async (_, make) => {
    // What leaves the processor's cache costs several times more; quadratic work still stands out.
    const [small, large] = [make(50_000), make(1_600_000)];
    await costMs(small);
    expect(await costMs(large)).toBeLessThan(5 + 512 * (await costMs(small)));
  });
});
