/** Usage as OpenAI's two APIs report it. */
import type { JsonObject, JsonValue, Usage } from '@headgate/core';
import { count, usageOf } from '../counts.js';
import { isObject } from '../fields.js';

/** `prompt_tokens` and `completion_tokens`; embeddings have only the first, and no output. */
export function chatUsage(usage: JsonValue | undefined): Usage | undefined {
  if (!isObject(usage)) return undefined;
  const input = count(usage.prompt_tokens);
  return usageOf(input, count(usage.completion_tokens) ?? (input === undefined ? undefined : 0));
}

export function responsesUsage(usage: JsonValue | undefined): Usage | undefined {
  return isObject(usage) ? usageOf(count(usage.input_tokens), count(usage.output_tokens)) : undefined;
}

export function chatUsageObject(usage: Usage): JsonObject {
  const [prompt, completion] = [usage.inputTokens ?? 0, usage.outputTokens ?? 0];
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

export function responsesUsageObject(usage: Usage): JsonObject {
  const [input, output] = [usage.inputTokens ?? 0, usage.outputTokens ?? 0];
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  };
}
