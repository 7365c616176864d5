/** Embedding inputs and completion prompts: one text, many, or texts already cut into tokens. */
import type { GuardRules, JsonValue } from '@headgate/core';
import type { Fields } from './fields.js';
import type { Prompt } from './prompt.js';

/**
 * Reads a string, an array of strings and, where `tokens` says so, an array of tokens or an array of those.
 * @returns how many inputs there are; 0 when there are none
 */
export function readInputs(
  fields: Fields,
  key: string,
  guard: GuardRules,
  prompt: Prompt,
  tokens: 'count' | 'refuse',
): number {
  const value = fields.value(key);
  if (value === undefined) return 0;
  if (typeof value === 'string') {
    prompt.text(value);
    return value === '' ? 0 : 1;
  }
  if (!Array.isArray(value)) {
    fields.wrong(key, 'string or array', value);
    return 0;
  }
  if (tokens === 'count' && typeof value[0] === 'number') {
    prompt.inputTokensKnown += countTokens(fields, key, value);
    return 1;
  }
  if (value.length > guard.inputsMax) {
    const message = `too many inputs: ${value.length}, at most ${guard.inputsMax} in one request`;
    fields.problems.refuse({ reason: 'too-large', status: 413, message });
    return value.length;
  }
  value.forEach((input, index) => {
    if (typeof input === 'string') prompt.text(input);
    else if (tokens === 'count' && Array.isArray(input))
      prompt.inputTokensKnown += countTokens(fields, `${key}[${index}]`, input);
    else fields.wrong(`${key}[${index}]`, 'string', input);
  });
  return value.length;
}

function countTokens(fields: Fields, key: string, tokens: readonly JsonValue[]): number {
  const at = tokens.findIndex((token) => !Number.isSafeInteger(token) || (token as number) < 0);
  if (at >= 0) fields.wrong(`${key}[${at}]`, 'integer', tokens[at]!);
  return tokens.length;
}

/** The number of tokens in an array of them, such as `context` of `/api/generate`. */
export function readTokens(fields: Fields, key: string): number {
  const value = fields.array(key);
  return value === undefined ? 0 : countTokens(fields, key, value);
}
