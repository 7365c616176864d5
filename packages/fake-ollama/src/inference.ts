import { ApiError } from './api-error.js';
import { Cancelled } from './cancellation.js';
import type { Exchange } from './exchange.js';
import type { Faults } from './faults.js';
import { type Running, reply, run, runnerStopped } from './generation.js';
import { longName, type Model, normalName } from './models.js';
import type { Runner, RunnerOptions } from './runner.js';
import type { Task } from './task.js';
import { emptySummary, type Wire } from './wire/wire.js';
import type { World } from './world.js';

/** The options that are fixed when a model is loaded, with Ollama's defaults. */
const LOAD_DEFAULTS: Record<string, unknown> = {
  num_batch: 512,
  num_gpu: -1,
  main_gpu: 0,
  use_mmap: null,
  num_thread: 0,
  draft_num_predict: 0,
};

/** Serves a request for text from arrival to its last byte. Throws ApiError while nothing has been sent. */
export async function infer(world: World, exchange: Exchange, task: Task, wire: Wire): Promise<void> {
  const model = findModel(world, task);
  const faults = world.faults.forRequest(model.name);
  await applyStatusFault(exchange, faults());
  checkAbilities(task, model);
  const running: Running = { world, exchange, task, wire, model, faults };
  if (task.empty && task.keepAliveMs === 0) {
    world.scheduler.expire(model);
    reply(running, { thinking: '', content: '', toolCalls: [] }, emptySummary('unload'));
    return;
  }
  const runner = await acquireRunner(running, runnerOptions(world, model, task.options, task.shift), task.keepAliveMs);
  try {
    const loadedAt = performance.now();
    if (task.empty) reply(running, { thinking: '', content: '', toolCalls: [] }, emptySummary('load'));
    else await run(running, runner, loadedAt);
  } catch (error) {
    throw error instanceof Cancelled && error.reason === 'runner-crashed' ? runnerStopped(exchange) : error;
  } finally {
    world.scheduler.release(runner, exchange.cancellation);
  }
}

/** Faults that strike before anything else. Shared by text and embedding requests. */
export async function applyStatusFault(exchange: Exchange, faults: Faults): Promise<void> {
  if (faults.resetBeforeFirstByte) {
    exchange.die('reset');
    exchange.cancellation.check();
  }
  if (faults.status === undefined) return;
  throw new ApiError(faults.status, faults.statusMessage ?? `injected fault: status ${faults.status}`, {
    headers: faults.statusHeaders ?? {},
  });
}

export async function acquireRunner(
  running: Pick<Running, 'world' | 'exchange' | 'model' | 'faults'>,
  options: RunnerOptions,
  keepAliveMs: number | undefined,
): Promise<Runner> {
  const { world, exchange, model, faults } = running;
  return world.scheduler.acquire({ model, options, keepAliveMs, cancellation: exchange.cancellation, faults });
}

function findModel(world: World, task: Task): Model {
  if (task.model.trim() !== '' && normalName(task.model) === undefined) throw new ApiError(400, 'invalid model name');
  const model = world.models.find(task.model);
  if (model === undefined) throw new ApiError(404, `model '${task.model}' not found`);
  return model;
}

function checkAbilities(task: Task, model: Model): void {
  const can = (ability: Model['capabilities'][number]): boolean => model.capabilities.includes(ability);
  if (!can('completion')) throw new ApiError(400, `${JSON.stringify(task.model)} does not support ${task.kind}`);
  const missing = task.tools.length > 0 && !can('tools') ? 'tools' : task.suffix && !can('insert') ? 'insert' : '';
  if (missing !== '') throw new ApiError(400, `${longName(model.name)} does not support ${missing}`);
  if (task.think === true && !can('thinking') && !task.thinkRelaxed) {
    throw new ApiError(400, `${JSON.stringify(task.model)} does not support thinking`);
  }
}

export function runnerOptions(
  world: World,
  model: Model,
  options: Record<string, unknown>,
  shift: boolean,
): RunnerOptions {
  const asked = options.num_ctx;
  const numCtx = typeof asked === 'number' && asked > 0 ? asked : world.settings.contextLength;
  const rest = Object.entries(LOAD_DEFAULTS).map(([name, standard]) => options[name] ?? standard);
  return { numCtx: Math.min(numCtx, model.contextLength), rest: JSON.stringify([...rest, shift]) };
}
