import { ApiError } from '../api-error.js';
import { echoedName } from '../cloud.js';
import { type PromptPart, promptOf, type Task } from '../task.js';
import { openaiError } from '../wire/openai.js';
import { responsesWire } from '../wire/responses.js';
import { contentOf } from './content.js';
import { textOf, toolsFrom } from './native-requests.js';
import { answer, TASK_DEFAULTS, thinkFromEffort } from './openai.js';
import { bound, type Route, type RouteContext } from './route.js';
import { readDecodedBody } from './zstd.js';

const RESPONSES_FIELDS = {
  model: 'string',
  input: 'any',
  instructions: 'string',
  max_output_tokens: 'int',
  reasoning: { effort: 'string', summary: 'string' },
  temperature: 'float',
  top_p: 'float',
  truncation: 'string',
  text: { format: { type: 'string', name: 'string', schema: 'any', strict: 'bool' } },
  tools: 'any',
  background: 'bool',
  stream: 'bool',
} as const;

async function responses({ world, exchange }: RouteContext): Promise<void> {
  const body = await readDecodedBody(exchange);
  const request = bound(body, 'ResponsesRequest', RESPONSES_FIELDS, 'EOF');
  const parts = partsOf(request.instructions, request.input);
  const { reasoning, text } = request;
  const task: Task = {
    ...TASK_DEFAULTS,
    model: request.model ?? '',
    ...promptOf(parts, textOf(request.tools)),
    empty: parts.length === 0,
    stream: request.stream ?? false,
    options: { num_predict: request.max_output_tokens },
    think: thinkFromEffort(reasoning?.effort),
    tools: toolsFrom(request.tools).map((tool) => {
      const { name, parameters } = tool as { name?: string; parameters?: unknown };
      return { type: 'function', function: { ...(name !== undefined && { name }), parameters } };
    }),
    format: text?.format?.type === 'json_schema' ? text.format.schema : undefined,
  };
  if (task.model === '') throw new ApiError(400, 'model is required');
  const echo = {
    instructions: request.instructions || null,
    tools: request.tools ?? [],
    truncation: request.truncation ?? 'disabled',
    text: { format: text?.format ?? { type: 'text' } },
    top_p: request.top_p ?? 1,
    temperature: request.temperature ?? 1,
    reasoning: reasoning ? { effort: reasoning.effort ?? null, summary: reasoning.summary ?? null } : null,
    max_output_tokens: request.max_output_tokens ?? null,
    background: request.background ?? false,
  };
  const wire = responsesWire({ model: echoedName(task.model), seed: `${task.model}\n${task.prompt}`, echo });
  await answer({ world, exchange, rest: '' }, task, wire);
}

function partsOf(instructions: string | undefined, input: unknown): PromptPart[] {
  const parts: PromptPart[] = [];
  if (instructions) parts.push({ role: 'system', text: instructions });
  if (typeof input === 'string') {
    if (input !== '') parts.push({ role: 'user', text: input });
    return parts;
  }
  if (input !== undefined && !Array.isArray(input)) throw new ApiError(400, 'input must be a string or array');
  for (const [index, item] of ((input ?? []) as Record<string, unknown>[]).entries()) parts.push(partOf(item, index));
  return parts;
}

function partOf(item: Record<string, unknown>, index: number): PromptPart {
  const { type, role, content } = item ?? {};
  if (type === 'message' || (type === undefined && role !== undefined)) {
    return { role: String(role), ...contentOf(content) };
  }
  if (type === 'function_call') return { role: 'assistant', text: textOf(item.arguments) };
  if (type === 'function_call_output') return { role: 'tool', ...contentOf(item.output) };
  if (type === 'reasoning') return { role: 'assistant', text: String(item.encrypted_content ?? '') };
  if (type === undefined) throw new ApiError(400, `input[${index}]: input item missing required 'type' field`);
  throw new ApiError(400, `input[${index}]: unknown input item type: ${JSON.stringify(type)}`);
}

export const responsesRoutes: Route[] = [
  { method: 'POST', path: '/v1/responses', kind: 'inference', renderError: openaiError, handle: responses },
];
