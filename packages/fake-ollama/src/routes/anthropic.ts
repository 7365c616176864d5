import { ApiError } from '../api-error.js';
import { echoedName } from '../cloud.js';
import { type PromptPart, promptOf, type Task } from '../task.js';
import { AnthropicWire, anthropicError } from '../wire/anthropic.js';
import { contentOf } from './content.js';
import { textOf, toolsFrom } from './native-requests.js';
import { answer, TASK_DEFAULTS } from './openai.js';
import { bound, type Route, type RouteContext } from './route.js';
import { readDecodedBody } from './zstd.js';

const MESSAGES_FIELDS = {
  model: 'string',
  max_tokens: 'int',
  messages: [{ role: 'string', content: 'any' }],
  system: 'any',
  stream: 'bool',
  temperature: 'float',
  top_p: 'float',
  top_k: 'int',
  stop_sequences: ['string'],
  tools: 'any',
  thinking: { type: 'string', budget_tokens: 'int' },
  output_config: { effort: 'string' },
} as const;

async function messages({ world, exchange }: RouteContext): Promise<void> {
  const body = await readDecodedBody(exchange);
  const request = bound(body, 'MessagesRequest', MESSAGES_FIELDS, 'EOF');
  if ((request.model ?? '') === '') throw new ApiError(400, 'model is required');
  if ((request.max_tokens ?? 0) <= 0) throw new ApiError(400, 'max_tokens is required and must be positive');
  if ((request.messages ?? []).length === 0) throw new ApiError(400, 'messages is required');
  const parts = partsOf(request.messages ?? [], request.system);
  const task: Task = {
    ...TASK_DEFAULTS,
    model: request.model ?? '',
    ...promptOf(parts, textOf(request.tools)),
    empty: false,
    stream: request.stream ?? false,
    options: { num_predict: request.max_tokens, stop: request.stop_sequences ?? [] },
    think: thinkFrom(request.thinking?.type, request.output_config?.effort),
    thinkRelaxed: true,
    tools: toolsFrom(request.tools).map((tool) => {
      const { name, input_schema: parameters } = tool as { name?: string; input_schema?: unknown };
      return { type: 'function', function: { ...(name !== undefined && { name }), parameters } };
    }),
  };
  const bytes = Buffer.byteLength(parts.map((part) => part.text).join('') + textOf(request.tools));
  const wire = new AnthropicWire({
    model: echoedName(task.model),
    seed: `${task.model}\n${task.prompt}`,
    estimatedInputTokens: Math.floor(bytes / 4),
  });
  await answer({ world, exchange, rest: '' }, task, wire);
}

function partsOf(given: readonly { role?: string; content?: unknown }[], system: unknown): PromptPart[] {
  const parts: PromptPart[] = [];
  const systemText = contentOf(system).text;
  if (systemText !== '') parts.push({ role: 'system', text: systemText });
  for (const message of given) {
    const { content } = message;
    const result = Array.isArray(content) && content.some((part) => part?.type === 'tool_result');
    parts.push({ role: result ? 'tool' : (message.role ?? ''), ...contentOf(content) });
  }
  return parts;
}

function thinkFrom(type: string | undefined, effort: string | undefined): boolean | undefined {
  if (type === 'disabled') return false;
  if (type === 'enabled' || type === 'adaptive') return true;
  return effort === undefined ? undefined : true;
}

export const anthropicRoutes: Route[] = [
  { method: 'POST', path: '/v1/messages', kind: 'inference', renderError: anthropicError, handle: messages },
];
