import { ApiError } from '../api-error.js';
import { cloudModel, echoedName, throughCloud } from '../cloud.js';
import { embed } from '../embedding.js';
import { goJson } from '../go-json.js';
import { infer } from '../inference.js';
import { promptOf, type Task } from '../task.js';
import { OpenaiChatWire, type OpenaiShape, openaiCompletionWire, openaiError } from '../wire/openai.js';
import type { Wire } from '../wire/wire.js';
import { messageParts } from './content.js';
import { textOf, toolsFrom } from './native-requests.js';
import { bound, type Route, type RouteContext } from './route.js';
import { readDecodedBody } from './zstd.js';

const SAMPLING = {
  model: 'string',
  stream: 'bool',
  stream_options: { include_usage: 'bool' },
  max_tokens: 'int',
  seed: 'int',
  stop: 'any',
  temperature: 'float',
  top_p: 'float',
  frequency_penalty: 'float',
  presence_penalty: 'float',
} as const;

/** Anything else a client sends, such as `max_completion_tokens` or `n`, is silently ignored. */
const CHAT_FIELDS = {
  ...SAMPLING,
  messages: 'any',
  response_format: { type: 'string', json_schema: { schema: 'any' } },
  tools: 'any',
  reasoning: { effort: 'string' },
  reasoning_effort: 'string',
  logprobs: 'bool',
  top_logprobs: 'int',
} as const;

const COMPLETION_FIELDS = { ...SAMPLING, prompt: 'string', suffix: 'string', logprobs: 'int' } as const;
const EMBEDDING_FIELDS = { model: 'string', input: 'any', dimensions: 'int', encoding_format: 'string' } as const;

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'max', 'xhigh', 'ultra'];

/** What `reasoning_effort` means for thinking; unset leaves it to the model. */
export function thinkFromEffort(effort: string | undefined): boolean | undefined {
  if (effort === undefined || effort === '') return undefined;
  if (EFFORTS.includes(effort)) return effort !== 'none';
  throw new ApiError(
    400,
    `invalid reasoning value: '${effort}' (must be "high", "medium", "low", "max", "xhigh", "ultra", "minimal" or "none")`,
  );
}

export const TASK_DEFAULTS = {
  kind: 'chat',
  keepAliveMs: undefined,
  thinkRelaxed: false,
  suffix: false,
  truncate: true,
  shift: true,
  format: undefined,
} as const;

async function chat({ world, exchange }: RouteContext): Promise<void> {
  const body = await readDecodedBody(exchange);
  const request = bound(body, 'ChatCompletionRequest', CHAT_FIELDS, 'EOF');
  const parts = messageParts(request.messages);
  if (parts.length === 0) throw new ApiError(400, "[] is too short - 'messages'");
  const task: Task = {
    ...TASK_DEFAULTS,
    model: request.model ?? '',
    ...promptOf(parts, textOf(request.tools)),
    empty: false,
    stream: request.stream ?? false,
    options: { num_predict: request.max_tokens, seed: request.seed, stop: stopList(request.stop) },
    think: thinkFromEffort(request.reasoning?.effort ?? request.reasoning_effort),
    tools: toolsFrom(request.tools),
    format: formatFrom(request.response_format),
  };
  if (task.model === '') throw new ApiError(400, 'model is required');
  await answer({ world, exchange, rest: '' }, task, new OpenaiChatWire(shapeOf(world, task, request.stream_options)));
}

async function completions({ world, exchange }: RouteContext): Promise<void> {
  const body = await readDecodedBody(exchange);
  const request = bound(body, 'CompletionRequest', COMPLETION_FIELDS, 'EOF');
  const parts = [{ role: 'user', text: request.prompt ?? '' }];
  const task: Task = {
    ...TASK_DEFAULTS,
    kind: 'generate',
    model: request.model ?? '',
    ...promptOf(parts, request.suffix),
    question: '',
    empty: (request.prompt ?? '') === '',
    stream: request.stream ?? false,
    options: { num_predict: request.max_tokens, seed: request.seed, stop: stopList(request.stop) },
    // Thinking has no place in this answer's shape.
    think: false,
    tools: [],
    suffix: (request.suffix ?? '') !== '',
  };
  await answer({ world, exchange, rest: '' }, task, openaiCompletionWire(shapeOf(world, task, request.stream_options)));
}

export async function answer({ world, exchange }: RouteContext, task: Task, wire: Wire): Promise<void> {
  const elsewhere = cloudModel(world, task.model);
  if (elsewhere !== undefined) await throughCloud(world, exchange, elsewhere, task, wire);
  else await infer(world, exchange, task, wire);
}

function shapeOf(
  world: RouteContext['world'],
  task: Task,
  streamOptions: { include_usage?: boolean } | undefined,
): OpenaiShape {
  return {
    model: echoedName(task.model),
    seed: `${task.model}\n${task.prompt}`,
    includeUsage: streamOptions?.include_usage === true,
    generation: world.settings.wire,
  };
}

function stopList(stop: unknown): string[] {
  if (stop === undefined || stop === null) return [];
  if (typeof stop === 'string') return [stop];
  if (Array.isArray(stop) && stop.every((item) => typeof item === 'string')) return stop;
  throw new ApiError(400, `invalid type for 'stop' field: ${typeof stop}`);
}

function formatFrom(wish: { type?: string; json_schema?: { schema?: unknown } } | undefined): unknown {
  if (wish?.type === 'json_object') return 'json';
  return wish?.type === 'json_schema' ? wish.json_schema?.schema : undefined;
}

async function embeddings({ world, exchange }: RouteContext): Promise<void> {
  const body = await readDecodedBody(exchange);
  const request = bound(body, 'EmbedRequest', EMBEDDING_FIELDS, 'EOF');
  const { input } = request;
  const format = request.encoding_format ?? 'float';
  if (!/^(float|base64)$/i.test(format)) {
    throw new ApiError(400, `Invalid value for 'encoding_format' = ${format}. Supported values: ['float', 'base64'].`);
  }
  if (input === undefined || input === '') throw new ApiError(400, 'invalid input');
  const inputs = Array.isArray(input) ? input : [input];
  if (!inputs.every((item): item is string => typeof item === 'string')) throw new ApiError(400, 'invalid input type');
  const model = request.model ?? '';
  const made = await embed(world, exchange, {
    model,
    inputs,
    truncate: true,
    dimensions: request.dimensions,
    keepAliveMs: undefined,
    options: {},
  });
  const data = made.vectors.map((vector, index) => ({
    object: 'embedding',
    embedding: format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector,
    index,
  }));
  const usage = { prompt_tokens: made.promptTokens, total_tokens: made.promptTokens };
  exchange.reply(200, `${goJson({ object: 'list', data, model, usage })}\n`, { 'content-type': 'application/json' });
}

const post = (path: string, handle: Route['handle']): Route => ({
  method: 'POST',
  path,
  kind: 'inference',
  renderError: openaiError,
  handle,
});

export const openaiRoutes: Route[] = [
  post('/v1/chat/completions', chat),
  post('/v1/completions', completions),
  post('/v1/embeddings', embeddings),
];
