import { hashText, numberSequence } from './answer.js';
import { ApiError } from './api-error.js';
import { Cancelled } from './cancellation.js';
import { cloudModel, recordAtCloud, refuseUnlessCloudWorks } from './cloud.js';
import type { Exchange } from './exchange.js';
import type { Faults } from './faults.js';
import { prefill, runnerStopped, takeSlot } from './generation.js';
import { acquireRunner, applyStatusFault, runnerOptions } from './inference.js';
import { type Model, normalName } from './models.js';
import { nowMs } from './record.js';
import type { Runner } from './runner.js';
import { countPromptTokens } from './task.js';
import type { World } from './world.js';

export interface EmbeddingWish {
  model: string;
  inputs: readonly string[];
  truncate: boolean;
  dimensions: number | undefined;
  keepAliveMs: number | undefined;
  options: Record<string, unknown>;
}

export interface Embedded {
  vectors: number[][];
  promptTokens: number;
  totalNs: number;
  loadNs: number;
}

/** Every input is its own request to the runner, all of them at once, as in Ollama. */
export async function embed(world: World, exchange: Exchange, wish: EmbeddingWish): Promise<Embedded> {
  const elsewhere = cloudModel(world, wish.model);
  if (elsewhere !== undefined) return embedInCloud(world, exchange, elsewhere, wish);
  if (normalName(wish.model) === undefined) throw new ApiError(400, 'invalid model name');
  const model = world.models.find(wish.model);
  const faults = world.faults.forRequest(model?.name ?? '');
  await applyStatusFault(exchange, faults());
  if (model === undefined) {
    throw new ApiError(404, `model ${JSON.stringify(wish.model)} not found, try pulling it first`);
  }
  const options = runnerOptions(world, model, wish.options, true);
  const runner = await acquireRunner({ world, exchange, model, faults }, options, wish.keepAliveMs);
  const loadNs = sinceArrival(exchange);
  try {
    const counts = wish.inputs.map((input) => fitInput(input, runner.options.numCtx, wish.truncate));
    // When one fails the others are still settled before the runner is given back.
    const settled = await Promise.allSettled(
      wish.inputs.map((input, index) => embedInput(world, exchange, runner, faults, input, counts[index] as number)),
    );
    for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
    return {
      vectors: wish.inputs.map((input) => vectorOf(input, model, wish.dimensions)),
      promptTokens: faults().noUsage ? 0 : counts.reduce((sum, count) => sum + count, 0),
      totalNs: sinceArrival(exchange),
      loadNs,
    };
  } catch (error) {
    throw error instanceof Cancelled && error.reason === 'runner-crashed' ? runnerStopped(exchange) : error;
  } finally {
    world.scheduler.release(runner, exchange.cancellation);
  }
}

function embedInCloud(world: World, exchange: Exchange, model: Model, wish: EmbeddingWish): Embedded {
  refuseUnlessCloudWorks(world, exchange);
  const received = recordAtCloud(world, exchange, model);
  received.status = 200;
  received.outcome = 'completed';
  received.endedAt = nowMs();
  return {
    vectors: wish.inputs.map((input) => vectorOf(input, model, wish.dimensions)),
    promptTokens: wish.inputs.reduce((sum, input) => sum + countPromptTokens([{ role: 'user', text: input }]), 0),
    totalNs: sinceArrival(exchange),
    loadNs: 0,
  };
}

async function embedInput(
  world: World,
  exchange: Exchange,
  runner: Runner,
  faults: () => Faults,
  input: string,
  tokens: number,
): Promise<void> {
  const slot = await takeSlot(world, exchange, runner, '');
  try {
    await prefill(world, exchange, runner.model, faults, tokens);
    if (faults().crashAfterTokens === 0) {
      runner.crash();
      exchange.cancellation.check();
    }
    if (faults().dieAfterTokens === 0) {
      exchange.die('close');
      exchange.cancellation.check();
    }
  } finally {
    slot.release(input);
  }
}

function fitInput(input: string, numCtx: number, truncate: boolean): number {
  const tokens = countPromptTokens([{ role: 'user', text: input }]);
  if (tokens <= numCtx) return tokens;
  if (truncate) return numCtx;
  throw new ApiError(400, 'the input length exceeds the context length');
}

/** A unit vector that depends on nothing but the text and the model. */
function vectorOf(input: string, model: Model, dimensions: number | undefined): number[] {
  const next = numberSequence(hashText(`${model.name}\n${input}`));
  const length = dimensions && dimensions > 0 ? Math.min(dimensions, model.embeddingLength) : model.embeddingLength;
  const vector = Array.from({ length }, () => next() / 2 ** 31 - 1);
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => Number((value / norm).toPrecision(7)));
}

function sinceArrival(exchange: Exchange): number {
  return Math.max(1, Math.round((performance.now() - exchange.arrivedAt) * 1e6));
}
