/** The JSON Schema of policies, asked by the validator that editors use in one form or another. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { policyJsonSchema } from '../../packages/core/src/policy/json-schema.js';
import { wholePolicy } from '../../packages/core/test/unit/policy/whole-policy.js';
import { pages } from '../support/markdown.js';
import { textOf } from '../support/repository.js';

const validate = new Ajv2020({ allowUnionTypes: true }).compile(policyJsonSchema());

function problems(policy: unknown): string[] {
  validate(policy);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

const written = pages()
  .flatMap(({ blocks }) => blocks)
  .filter(({ language, marks }) => language === 'yaml' && !marks.includes('refused'));

describe('right policies are right to an editor too', () => {
  test('the whole language', () => {
    expect(problems(wholePolicy)).toEqual([]);
  });
  test.each(written)('$place', ({ text }) => {
    expect(problems(parse(text))).toEqual([]);
  });
  test('the six layers', () => {
    expect(problems(parse(textOf('examples/policies/six-layers.yaml')))).toEqual([]);
  });
});

describe('an editor sees', () => {
  test.each([
    ['a misspelt key', { reqests: '60/min' }],
    ['a misspelt key far inside', { pool: { timeout: { firstBite: '1s' } } }],
    ['a word that is none', { pool: { pick: 'fastest' } }],
    ['a value of the wrong kind', { concurrency: [true] }],
    ['an unknown measure of a limit', { limits: [{ name: 'x', request: '1/s' }] }],
  ])('%s', (_, policy) => {
    expect(problems(policy)).not.toEqual([]);
  });
});
