import { ApiError } from '../api-error.js';
import { goJson, omitEmpty, timestamp } from '../go-json.js';
import { type Model, normalName } from '../models.js';
import { expiry } from '../scheduler.js';
import { ollamaError } from '../wire/ollama.js';
import { openaiError } from '../wire/openai.js';
import type { Route, RouteContext } from './route.js';

/** What "for ever" looks like in `expires_at`: Go's longest duration from now. */
const FOREVER_MS = 2 ** 63 / 1e6;

async function root({ exchange }: RouteContext): Promise<void> {
  exchange.text(200, 'Ollama is running', { 'content-type': 'text/plain; charset=utf-8' });
}

async function version({ world, exchange }: RouteContext): Promise<void> {
  exchange.json(200, { version: world.settings.version });
}

async function tags({ world, exchange }: RouteContext): Promise<void> {
  const models = world.models.all().map((model) => ({
    name: model.name,
    model: model.name,
    ...omitEmpty({ remote_model: model.remoteModel, remote_host: model.remoteHost }),
    modified_at: timestamp(model.modifiedAt.getTime()),
    size: model.cloud ? 384 : model.size,
    digest: model.digest,
    details: { ...detailsOf(model), context_length: model.contextLength, embedding_length: model.embeddingLength },
    capabilities: model.capabilities,
  }));
  exchange.json(200, { models });
}

async function ps({ world, exchange }: RouteContext): Promise<void> {
  const models = world.scheduler.runners().map((runner) => ({
    name: runner.model.name,
    model: runner.model.name,
    size: runner.model.size,
    digest: runner.model.digest,
    details: detailsOf(runner.model),
    expires_at: timestamp(Math.min(expiry(runner), Date.now() + FOREVER_MS)),
    size_vram: Math.min(runner.model.size, world.settings.vramBytes),
    context_length: runner.options.numCtx,
  }));
  exchange.json(200, { models });
}

export function detailsOf(model: Model): Record<string, unknown> {
  return {
    parent_model: '',
    format: 'gguf',
    family: model.family,
    families: [model.family],
    parameter_size: model.parameterSize,
    quantization_level: 'Q4_K_M',
  };
}

function openaiModel(model: Model): Record<string, unknown> {
  return {
    id: model.name,
    object: 'model',
    created: Math.floor(model.modifiedAt.getTime() / 1000),
    owned_by: model.name.includes('/') ? model.name.split('/').at(-2) : 'library',
  };
}

async function modelList({ world, exchange }: RouteContext): Promise<void> {
  const data = world.models.all().map(openaiModel);
  const body = { object: 'list', data: data.length === 0 ? null : data };
  exchange.reply(200, `${goJson(body)}\n`, { 'content-type': 'application/json' });
}

async function oneModel({ world, exchange, rest }: RouteContext): Promise<void> {
  const model = world.models.find(rest);
  if (model === undefined) throw new ApiError(404, `model '${normalName(rest) ?? rest}' not found`);
  exchange.reply(200, `${goJson(openaiModel(model))}\n`, { 'content-type': 'application/json' });
}

const route = (
  method: string,
  path: string,
  handle: Route['handle'],
  renderError: Route['renderError'] = ollamaError,
): Route => ({ method, path, kind: 'health', renderError, handle });

export const healthRoutes: Route[] = [
  route('GET', '/', root),
  route('HEAD', '/', root),
  route('GET', '/api/version', version),
  route('HEAD', '/api/version', version),
  route('GET', '/api/tags', tags),
  route('HEAD', '/api/tags', tags),
  route('GET', '/api/ps', ps),
  route('GET', '/v1/models', modelList, openaiError),
  route('GET', '/v1/models/*', oneModel, openaiError),
];
