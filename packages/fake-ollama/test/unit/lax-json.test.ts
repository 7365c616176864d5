import { describe, expect, test } from 'vitest';
import { type LaxNumber, type LaxObject, type LaxValue, plainValue, readLaxJson } from '../../src/lax-json.js';

const read = (text: string | Buffer): LaxValue | undefined =>
  readLaxJson(typeof text === 'string' ? Buffer.from(text) : text);
const plain = (text: string | Buffer): unknown => plainValue(read(text) as LaxValue);

describe('what Go accepts', () => {
  test('reads what JSON.parse reads', () => {
    for (const text of [
      '{"a":[1,-2.5,1e3,0.1E-2,0,-0],"b":{"c":null,"d":true,"e":false},"":""}',
      ' \n\t"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00é" ',
      '[]',
      '[[[{}]]]',
      '"😀"',
    ]) {
      expect(plain(text)).toEqual(JSON.parse(text));
    }
  });

  test('stops after the first value', () => {
    expect(plain('{"model":"a"}{"model":"zzz"}trailing')).toEqual({ model: 'a' });
    expect(plain('"a" garbage')).toBe('a');
  });

  test('keeps duplicate keys in order', () => {
    expect((read('{"a":1,"A":2,"a":3}') as LaxObject).entries.map(([key]) => key)).toEqual(['a', 'A', 'a']);
  });

  test('keeps numbers as they were written', () => {
    expect((read('123456789012345678901') as LaxNumber).raw).toBe('123456789012345678901');
  });

  test('replaces invalid UTF-8 and lone surrogates', () => {
    expect(plain(Buffer.from([0x22, 0xff, 0x22]))).toBe('\ufffd');
    expect(plain('"\\ud800x"')).toBe('\ufffdx');
    expect(plain('"\\ud800\\u0041"')).toBe('\ufffdA');
  });

  test('has no value in an empty body', () => {
    expect(read('')).toBeUndefined();
    expect(read(' \n')).toBeUndefined();
  });
});

describe('what Go refuses, in its words', () => {
  test.each([
    ['hello', "invalid character 'h' looking for beginning of value"],
    ['{"a":1', 'unexpected EOF'],
    ['"abc', 'unexpected EOF'],
    ['tru', 'unexpected EOF'],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
    ['[1 2]', "invalid character '2' after array element"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['trux', "invalid character 'x' in literal true (expecting 'e')"],
    ['-x', "invalid character 'x' in numeric literal"],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
    ['1ex', "invalid character 'x' in exponent of numeric literal"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
    ['\ufeff{}', "invalid character 'ï' looking for beginning of value"],
  ])('%s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('nesting has a limit', () => {
    expect(() => read('['.repeat(1001))).toThrow('exceeded max depth');
    expect(() => read('['.repeat(1000))).toThrow('unexpected EOF');
  });

  test('a number followed by another value is complete', () => {
    expect(plain('1 2')).toBe(1);
    expect(plain('01')).toBe(0);
  });
});
