import type { ToolCall, ToolDefinition } from './answer.js';
import { ApiError } from './api-error.js';

/** The smallest value a JSON Schema accepts, as far as a fake model must go: types, enums, properties, items. */
export function instanceOf(schema: unknown, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > 20) return 'text';
  const { type, properties, required, items, enum: choices, const: only } = schema as Record<string, unknown>;
  if (only !== undefined) return only;
  if (Array.isArray(choices) && choices.length > 0) return choices[0];
  const kind = Array.isArray(type) ? type[0] : type;
  if (kind === 'integer' || kind === 'number') return 42;
  if (kind === 'boolean') return true;
  if (kind === 'null') return null;
  if (kind === 'array') return [instanceOf(items, depth + 1)];
  if (kind !== 'object' && properties === undefined) return 'text';
  const all = Object.entries((properties ?? {}) as Record<string, unknown>);
  const needed = all.filter(([name]) => Array.isArray(required) && required.includes(name));
  return Object.fromEntries(
    (needed.length > 0 ? needed : all).map(([name, inner]) => [name, instanceOf(inner, depth + 1)]),
  );
}

/** A call of the first tool when the question contains the word "tool". */
export function toolCallFor(
  tools: readonly ToolDefinition[],
  question: string,
): Omit<ToolCall, 'id' | 'index'> | undefined {
  const name = tools[0]?.function?.name;
  if (name === undefined || !/\btools?\b/i.test(question)) return undefined;
  const given = instanceOf(tools[0]?.function?.parameters ?? { type: 'object' });
  return { name, arguments: (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown> };
}

/** The answer when the request prescribes a `format`; undefined for free text. */
export function prescribedText(format: unknown): string | undefined {
  if (format === undefined || format === null || format === '') return undefined;
  if (format === 'json') return '{"answer": "text"}';
  if (typeof format === 'object' && !Array.isArray(format)) return JSON.stringify(instanceOf(format));
  throw new ApiError(500, `invalid format: ${JSON.stringify(format)}; expected "json" or a valid JSON Schema object`);
}
