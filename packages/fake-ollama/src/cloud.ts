import { ApiError } from './api-error.js';
import type { Exchange } from './exchange.js';
import { run } from './generation.js';
import { runnerOptions } from './inference.js';
import { cloudBaseName, isCloudName, type Model, ModelCatalog, normalName } from './models.js';
import { flatHeaders, nowMs, type SeenRequest } from './record.js';
import { Runner } from './runner.js';
import type { Task } from './task.js';
import type { Wire } from './wire/wire.js';
import type { World } from './world.js';

const NOT_COPIED = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The signature by the key of the host, which takes the place of whatever the client sent. */
const HOST_SIGNATURE = 'ZmFrZS1ob3N0LWtleQ==:ZmFrZS1zaWduYXR1cmU=';

/** What the answer calls the model: ollama.com knows it without the suffix. */
export function echoedName(sent: string): string {
  return isCloudName(sent) ? cloudBaseName(sent) : sent;
}

/** The model a request would run on elsewhere; undefined for a local one. It need not be installed. */
export function cloudModel(world: World, sent: string): Model | undefined {
  const model = world.models.find(sent);
  if (model?.cloud) return model;
  return isCloudName(sent) && normalName(sent) !== undefined ? new ModelCatalog([sent]).all()[0] : undefined;
}

/**
 * Passes the request on to the fake ollama.com with the account of the host. The client's headers go along,
 * which is why a gateway must strip credentials. Errors of this step have the native shape in every dialect.
 */
export async function throughCloud(
  world: World,
  exchange: Exchange,
  model: Model,
  task: Task,
  wire: Wire,
): Promise<void> {
  refuseUnlessCloudWorks(world, exchange);
  const received = recordAtCloud(world, exchange, model);
  const options = runnerOptions(world, model, task.options, task.shift);
  const runner = new Runner(model, options, 1, 0, true);
  const faults = world.faults.forRequest(model.name);
  runner.users.add(exchange.cancellation);
  try {
    await run({ world, exchange, task, wire, model, faults }, runner, performance.now());
    received.status = 200;
  } finally {
    received.endedAt = nowMs();
    received.tokensSent = exchange.seen.tokensSent;
    received.outcome = exchange.cancellation.reason === undefined ? 'completed' : 'aborted';
  }
}

/** What reaches ollama.com: the client's headers but for a few, signed by the host, and the body with the model's own name. */
export function recordAtCloud(world: World, exchange: Exchange, model: Model | undefined): SeenRequest {
  const { seen } = exchange;
  const connectionNames = (seen.headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const copied = Object.entries(flatHeaders(exchange.request.headers)).filter(
    ([name]) => !NOT_COPIED.has(name) && !connectionNames.includes(name),
  );
  const sent = typeof seen.json === 'object' && seen.json !== null ? seen.json : {};
  const json = model === undefined ? sent : { ...sent, model: model.remoteModel ?? cloudBaseName(model.name) };
  const received: SeenRequest = {
    id: world.recorder.nextCloudId(),
    method: seen.method,
    path: seen.path,
    rawUrl: seen.rawUrl,
    headers: {
      ...Object.fromEntries(copied),
      host: model?.remoteHost === undefined ? 'ollama.com' : new URL(model.remoteHost).host,
      authorization: HOST_SIGNATURE,
      'x-ollama-client-version': world.settings.version,
    },
    body: Buffer.from(JSON.stringify(json)),
    json,
    startedAt: nowMs(),
    tokensSent: 0,
  };
  world.recorder.reachedCloud(received);
  return received;
}

export function refuseUnlessCloudWorks(world: World, exchange: Exchange): void {
  const state = world.faults.current.cloud;
  if (state === 'disabled') {
    throw new ApiError(403, 'ollama cloud is disabled: remote model is unavailable', { native: true });
  }
  if (state === 'signed-out') {
    const fields = { signin_url: 'https://ollama.com/connect?name=fake-host&key=ZmFrZS1ob3N0LWtleQ' };
    throw new ApiError(401, 'unauthorized', { fields, native: true });
  }
  if (state === 'ok') return;
  const { method, path } = exchange.seen;
  const verb = method[0] + method.slice(1).toLowerCase();
  const message = `${verb} "https://ollama.com:443${path}": dial tcp: lookup ollama.com: no such host`;
  throw new ApiError(502, message, { native: true });
}
