/** Numbers out of what a backend reports; what is not a count, or more than can be counted one by one, is unknown, not zero. */
import type { JsonObject, JsonValue, Usage } from '@headgate/core';
import { isObject } from './fields.js';

export function count(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

export function usageOf(
  inputTokens: number | undefined,
  outputTokens: number | undefined,
  gpuSeconds?: number,
): Usage | undefined {
  if (inputTokens === undefined && outputTokens === undefined && gpuSeconds === undefined) return undefined;
  // Filled in: put together of what is there it would cost more than reading the answer.
  const usage: { -readonly [Kind in keyof Usage]: Usage[Kind] } = {};
  if (inputTokens !== undefined) usage.inputTokens = inputTokens;
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  if (gpuSeconds !== undefined) usage.gpuSeconds = gpuSeconds;
  return usage;
}

/** JSON of an event; undefined when it is no object, which no dialect sends and no meter minds. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
