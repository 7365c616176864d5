import type { JsonValue, Usage } from '@headgate/core';
import { count, usageOf } from '../counts.js';
import { isObject } from '../fields.js';

/** Tokens read from or written to a prompt cache are input too; servers that know a cache count them apart. */
export function messageUsage(usage: JsonValue | undefined): Usage | undefined {
  if (!isObject(usage)) return undefined;
  const input = count(usage.input_tokens);
  const cached = (count(usage.cache_creation_input_tokens) ?? 0) + (count(usage.cache_read_input_tokens) ?? 0);
  return usageOf(input === undefined ? undefined : input + cached, count(usage.output_tokens));
}
