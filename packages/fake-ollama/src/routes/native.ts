import { ApiError } from '../api-error.js';
import { cloudModel, echoedName, throughCloud } from '../cloud.js';
import { embed } from '../embedding.js';
import { JSON_UTF8 } from '../exchange.js';
import { goJson, omitEmpty } from '../go-json.js';
import { infer } from '../inference.js';
import type { Task } from '../task.js';
import { ollamaError, ollamaWire } from '../wire/ollama.js';
import type { Summary } from '../wire/wire.js';
import { CHAT_FIELDS, chatTask, GENERATE_FIELDS, generateTask, keepAliveMs } from './native-requests.js';
import { bind, type Route, type RouteContext } from './route.js';

const EMBED_FIELDS = {
  model: 'string',
  input: 'any',
  truncate: 'bool',
  dimensions: 'int',
  keep_alive: 'any',
  options: 'map',
} as const;
const EMBEDDINGS_FIELDS = { model: 'string', prompt: 'string', keep_alive: 'any', options: 'map' } as const;

async function generate({ world, exchange }: RouteContext): Promise<void> {
  const request = await bind(exchange, 'GenerateRequest', GENERATE_FIELDS);
  const task = generateTask(request);
  await answerNatively({ world, exchange, rest: '' }, task, request.raw === true);
}

async function chat({ world, exchange }: RouteContext): Promise<void> {
  const task = chatTask(await bind(exchange, 'ChatRequest', CHAT_FIELDS));
  if (task.model === '') throw new ApiError(400, 'model is required');
  await answerNatively({ world, exchange, rest: '' }, task, true);
}

async function answerNatively({ world, exchange }: RouteContext, task: Task, withoutContext: boolean): Promise<void> {
  const elsewhere = cloudModel(world, task.model);
  const stub = elsewhere?.remoteHost === undefined ? undefined : elsewhere;
  const wire = ollamaWire({
    model: echoedName(task.model),
    kind: task.kind,
    remote: stub && { host: stub.remoteHost ?? '', model: stub.remoteModel ?? '' },
    ...(!withoutContext && { context: contextOf }),
  });
  if (elsewhere !== undefined) await throughCloud(world, exchange, elsewhere, task, wire);
  else await infer(world, exchange, task, wire);
}

/** Token numbers of prompt and answer; only their count means something. */
function contextOf(summary: Summary): number[] {
  return Array.from(
    { length: summary.promptTokens + summary.evalTokens },
    (_, index) => 1000 + ((index * 7919) % 127_000),
  );
}

async function embedMany({ world, exchange }: RouteContext): Promise<void> {
  const request = await bind(exchange, 'EmbedRequest', EMBED_FIELDS);
  const model = request.model ?? '';
  if (model === '') throw new ApiError(404, "model '' not found");
  const made = await embed(world, exchange, {
    model,
    inputs: inputsFrom(request.input),
    truncate: request.truncate ?? true,
    dimensions: request.dimensions,
    keepAliveMs: keepAliveMs(request.keep_alive),
    options: request.options ?? {},
  });
  const usage = omitEmpty({
    total_duration: made.totalNs,
    load_duration: made.loadNs,
    prompt_eval_count: made.promptTokens,
  });
  exchange.json(200, { model, embeddings: made.vectors, ...usage });
}

async function embedOne({ world, exchange }: RouteContext): Promise<void> {
  const request = await bind(exchange, 'EmbeddingRequest', EMBEDDINGS_FIELDS);
  const model = request.model ?? '';
  if (model === '') throw new ApiError(400, 'model is required');
  const prompt = request.prompt ?? '';
  const made = await embed(world, exchange, {
    model,
    inputs: prompt === '' ? [] : [prompt],
    truncate: true,
    dimensions: undefined,
    keepAliveMs: keepAliveMs(request.keep_alive),
    options: request.options ?? {},
  });
  exchange.reply(200, goJson({ embedding: made.vectors[0] ?? [] }), { 'content-type': JSON_UTF8 });
}

function inputsFrom(input: unknown): string[] {
  if (input === undefined || input === null) return [];
  if (typeof input === 'string') return input === '' ? [] : [input];
  if (Array.isArray(input) && input.every((item) => typeof item === 'string')) return input;
  throw new ApiError(400, 'invalid input type');
}

const post = (path: string, handle: Route['handle']): Route => ({
  method: 'POST',
  path,
  kind: 'inference',
  renderError: ollamaError,
  handle,
});

export const nativeRoutes: Route[] = [
  post('/api/generate', generate),
  post('/api/chat', chat),
  post('/api/embed', embedMany),
  post('/api/embeddings', embedOne),
];
