import { type AnswerPlan, planAnswer } from './answer.js';
import { ApiError } from './api-error.js';
import { Cancelled } from './cancellation.js';
import type { Exchange } from './exchange.js';
import type { Faults } from './faults.js';
import { prescribedText, toolCallFor } from './instances.js';
import type { Model } from './models.js';
import type { Runner } from './runner.js';
import type { Task } from './task.js';
import { emptySummary, type Summary, type WholeAnswer, type Wire } from './wire/wire.js';
import type { World } from './world.js';

const RUNNER_STOPPED =
  'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details';
const RUNNER_ERROR = 'an error was encountered while running the model: unexpected EOF';
const TOO_LONG_WITHOUT_SHIFT =
  'the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length';

/** One request for text on its way. */
export interface Running {
  world: World;
  exchange: Exchange;
  task: Task;
  wire: Wire;
  model: Model;
  faults: () => Faults;
}

/** The first come, first served line inside the runner. */
export async function takeSlot(world: World, exchange: Exchange, runner: Runner, prompt: string) {
  if (!runner.semaphore.tryAcquire()) {
    await world.recorder.whileWaiting(runner.semaphore.wait(exchange.cancellation));
  }
  const slot = runner.takeSlot(prompt);
  if (!runner.remote) world.recorder.slotTaken();
  return {
    cachedChars: slot.cachedChars,
    release: (text: string) => {
      slot.release(text);
      if (!runner.remote) world.recorder.slotFreed();
    },
  };
}

/** Waits before the first byte, with the slot in hand: faults, then reading the prompt. Returns its duration in ms. */
export async function prefill(
  world: World,
  exchange: Exchange,
  model: Model,
  faults: () => Faults,
  tokens: number,
): Promise<number> {
  if (faults().hang) await world.faults.waitUntil(() => !faults().hang, exchange.cancellation);
  const { firstByteDelayMs } = faults();
  if (firstByteDelayMs > 0) await exchange.cancellation.sleep(firstByteDelayMs);
  const begun = performance.now();
  const rate = model.prefillTokensPerSecond ?? world.settings.prefillTokensPerSecond;
  const ms = (tokens / rate) * 1000;
  if (ms > 0) await exchange.cancellation.sleep(ms);
  return performance.now() - begun;
}

/** Produces the answer with a runner in hand: waits for a slot, reads the prompt, generates, ends. */
export async function run(running: Running, runner: Runner, loadedAt: number): Promise<void> {
  const { world, exchange, task, model, faults } = running;
  const numCtx = runner.options.numCtx;
  const promptTokens = fitPrompt(task, numCtx);
  const plan = plannedAnswer(running, numCtx, promptTokens);
  const slot = await takeSlot(world, exchange, runner, task.prompt);
  const answer: WholeAnswer = { thinking: '', content: '', toolCalls: [] };
  try {
    // As in llama.cpp, at least one token of the prompt is always computed.
    const cachedTokens = Math.min(Math.floor(slot.cachedChars / 4), promptTokens - 1);
    const promptMs = await prefill(world, exchange, model, faults, promptTokens - cachedTokens);
    const decodedFrom = performance.now();
    const ended = await decode(running, runner, plan, answer);
    const now = performance.now();
    const summary: Summary = {
      done: ended === 'said',
      reason: ended === 'said' ? plan.reason : '',
      promptTokens,
      evalTokens: exchange.seen.tokensSent,
      totalNs: nanos(now - exchange.arrivedAt),
      loadNs: nanos(loadedAt - exchange.arrivedAt),
      promptNs: nanos(promptMs),
      evalNs: nanos(now - decodedFrom),
    };
    await finish(running, answer, summary);
  } catch (error) {
    if (!(error instanceof Cancelled) || error.reason !== 'runner-crashed' || !exchange.begun) throw error;
    exchange.end(running.wire.broken(runnerStopped(exchange).message));
  } finally {
    slot.release(task.prompt + answer.content);
  }
}

/** Generates and, when streaming, writes. Returns how it ended. */
async function decode(
  running: Running,
  runner: Runner,
  plan: AnswerPlan,
  answer: WholeAnswer,
): Promise<'said' | 'silent'> {
  const { world, exchange, task, wire, model } = running;
  const rate = model.decodeTokensPerSecond ?? world.settings.decodeTokensPerSecond;
  const begun = performance.now();
  let tokens = 0;
  for (const piece of plan.pieces) {
    if ((await strike(running, runner, tokens)) === 'silent') return 'silent';
    tokens += piece.tokens;
    await pause(exchange, begun + (tokens / rate) * 1000 - performance.now());
    const { tokens: made, ...delta } = piece;
    answer.thinking += delta.thinking ?? '';
    answer.content += delta.content ?? '';
    if (delta.toolCall !== undefined) answer.toolCalls.push(delta.toolCall);
    if (task.stream && Object.keys(delta).length > 0) {
      if (!exchange.begun) exchange.begin(200, wire.streamHeaders);
      await exchange.write(wire.delta(delta));
    }
    exchange.seen.tokensSent += made;
    world.recorder.changed();
  }
  return (await strike(running, runner, tokens)) ?? 'said';
}

/** Without a wait other requests still get their turn; the plain immediate is much cheaper than a cancellable sleep. */
async function pause(exchange: Exchange, ms: number): Promise<void> {
  if (ms > 0) return exchange.cancellation.sleep(ms);
  await new Promise((resolve) => setImmediate(resolve));
  exchange.cancellation.check();
}

/** The faults that are due after so many tokens; one set for more tokens than the answer has never strikes. */
async function strike(running: Running, runner: Runner, tokens: number): Promise<'silent' | undefined> {
  const { world, exchange, faults } = running;
  const due = (after: number | undefined): boolean => after !== undefined && tokens >= after;
  if (due(faults().stallAfterTokens)) {
    await world.faults.waitUntil(() => !due(faults().stallAfterTokens), exchange.cancellation);
  }
  if (due(faults().dieAfterTokens)) {
    exchange.die('close');
    exchange.cancellation.check();
  }
  if (due(faults().crashAfterTokens)) {
    runner.crash();
    exchange.cancellation.check();
  }
  return due(faults().silentEndAfterTokens) ? 'silent' : undefined;
}

async function finish(running: Running, answer: WholeAnswer, measured: Summary): Promise<void> {
  const { exchange, task, wire, faults } = running;
  const summary = faults().noUsage ? { ...emptySummary(measured.reason), done: measured.done } : measured;
  if (!task.stream) {
    reply(running, answer, summary);
    return;
  }
  if (!exchange.begun) exchange.begin(200, wire.streamHeaders);
  if (summary.done) await exchange.write(wire.done(summary));
  exchange.end();
}

export function reply(running: Running, answer: WholeAnswer, summary: Summary): void {
  running.exchange.reply(200, running.wire.whole(answer, summary), running.wire.wholeHeaders);
}

/** After a crash the client is still there: it gets an error if nothing was sent, or a broken stream. */
export function runnerStopped(exchange: Exchange): ApiError {
  exchange.seen.outcome = 'crashed';
  return new ApiError(500, exchange.seen.tokensSent === 0 ? RUNNER_STOPPED : RUNNER_ERROR);
}

/** The prompt tokens left after truncation, or the error when the request forbids it. */
function fitPrompt(task: Task, numCtx: number): number {
  if (task.promptTokens <= numCtx) return task.promptTokens;
  if (!task.truncate) throw new ApiError(400, exceededContext(task.promptTokens, numCtx));
  if (!task.shift) throw new ApiError(400, TOO_LONG_WITHOUT_SHIFT);
  return numCtx;
}

/** The runner's own error, which Ollama passes on as a string with JSON inside. */
function exceededContext(promptTokens: number, numCtx: number): string {
  return JSON.stringify({
    error: {
      code: 400,
      message: `request (${promptTokens} tokens) exceeds the available context size (${numCtx} tokens), try increasing it`,
      type: 'exceed_context_size_error',
      n_prompt_tokens: promptTokens,
      n_ctx: numCtx,
    },
  });
}

function plannedAnswer(running: Running, numCtx: number, promptTokens: number): AnswerPlan {
  const { world, task, model, faults } = running;
  const { outputTokens } = world.settings;
  const chosen = model.outputTokens ?? outputTokens;
  const natural =
    typeof chosen === 'number' ? chosen : chosen({ model: model.name, prompt: task.prompt, promptTokens });
  const room = task.shift ? Number.POSITIVE_INFINITY : numCtx - promptTokens;
  const cap = faults().ignoreNumPredict ? Number.POSITIVE_INFINITY : outputCap(task.options.num_predict, numCtx);
  const stop = task.options.stop;
  return planAnswer({
    seed: `${model.name}\n${String(task.options.seed ?? '')}\n${task.prompt}`,
    natural,
    cap: Math.min(cap, room),
    thinking: model.capabilities.includes('thinking') && task.think !== false,
    toolCall: toolCallFor(task.tools, task.question),
    fixedText: prescribedText(task.format),
    stop: Array.isArray(stop) ? stop.filter((item): item is string => typeof item === 'string') : [],
  });
}

/** `num_predict` bounds the answer; zero, negative and missing mean no limit but ten contexts. */
export function outputCap(numPredict: unknown, numCtx: number): number {
  const bound = 10 * numCtx;
  return typeof numPredict === 'number' && numPredict > 0 ? Math.min(numPredict, bound) : bound;
}

function nanos(ms: number): number {
  return Math.max(1, Math.round(ms * 1e6));
}
