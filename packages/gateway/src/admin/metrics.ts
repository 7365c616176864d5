/**
 * The metrics for Prometheus, of requests that are over and of how things stand. Every label takes few values: words of
 * ours, names of the policy, and a bounded number of models. Nothing is told by identity or address.
 */
import type { Limiter } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';
import { GenAiMetrics } from './gen-ai-metrics.js';
import { type Described, Few, Instruments, type Readings } from './instruments.js';
import { addStateMetrics } from './state-metrics.js';

/** Clients name models, so the names are theirs to multiply; past this many distinct ones the rest count together. */
const modelsMax = 100;
/** Names of the policy are few at a time, but every reload may bring others. */
const namesMax = 500;

const shortBuckets = [0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const longBuckets = [0.05, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800];
const ratioBuckets = [0.25, 0.5, 0.75, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 4, 8, 16];

export class Metrics {
  readonly #instruments = new Instruments();
  readonly #models = new Few(modelsMax);
  readonly #limits = new Few(namesMax);
  readonly #tiers = new Few(namesMax);
  readonly #requests = this.#instruments.counter('headgate_requests_total', 'Requests by what became of them', [
    'operation',
    'decision',
  ]);
  readonly #refusals = this.#instruments.counter(
    'headgate_refusals_total',
    'Refusals, and what shadow limits would have refused',
    ['reason', 'limit', 'mode'],
  );
  readonly #retries = this.#instruments.counter('headgate_retries_total', 'Tries of requests on another backend');
  readonly #tokens = this.#instruments.counter(
    'headgate_tokens_total',
    'Tokens in prompts (input) and answers (output)',
    ['direction', 'model', 'tier'],
  );
  readonly #cost = this.#instruments.counter('headgate_cost_dollars_total', 'Dollars charged', ['model', 'tier']);
  readonly #gpuSeconds = this.#instruments.counter('headgate_gpu_seconds_total', 'Time of accelerators charged', [
    'model',
    'tier',
  ]);
  readonly #estimates = this.#instruments.histogram(
    'headgate_estimate_ratio',
    'Tokens set aside before a request, as a multiple of those it turned out to have',
    ratioBuckets,
    ['direction'],
  );
  readonly #wait = this.#instruments.histogram('headgate_queue_wait_seconds', 'Time in the queue', shortBuckets);
  readonly #firstByte = this.#instruments.histogram(
    'headgate_first_byte_seconds',
    'From a request to the first byte of its answer',
    shortBuckets,
  );
  readonly #whole = this.#instruments.histogram(
    'headgate_request_seconds',
    'From a request to the end of its answer',
    longBuckets,
  );
  readonly #genAi = new GenAiMetrics(this.#instruments);
  readonly #reloads = this.#instruments.counter('headgate_reloads_total', 'Policies taken up while it runs, or not', [
    'outcome',
  ]);
  readonly #lost = this.#instruments.counter(
    'headgate_settlements_lost_total',
    'Settlements that never reached the shared store',
  );
  #isReloaded = true;

  /** @param backlog jobs by what they do, of all gateways together */
  constructor(limiter: Limiter, backlog: () => Readings = () => []) {
    addStateMetrics(this.#instruments, limiter, new Few(namesMax));
    this.#instruments.gauges('headgate_jobs', 'Jobs that wait or run, at all gateways', 'state', backlog);
    this.#instruments.gauge('headgate_reload_ok', 'Whether the policy in force is the last one that was read', () =>
      this.#isReloaded ? 1 : 0,
    );
    for (const outcome of ['applied', 'failed']) this.#reloads.inc({ outcome }, 0);
    limiter.on('request-would-refuse', ({ reason, limit }) =>
      this.#refusals.inc({ reason, limit: this.#limits.of(limit), mode: 'shadow' }),
    );
  }

  /** Counts another policy, which was put in force or could not be. */
  reloaded(isInForce: boolean): void {
    this.#isReloaded = isInForce;
    this.#reloads.inc({ outcome: isInForce ? 'applied' : 'failed' });
  }

  /** Counts settlements that never reached the store. */
  lost(settlements: number): void {
    this.#lost.inc(settlements);
  }

  /** Counts a request that is over. */
  observe(record: RequestRecord): void {
    const { about, decision = 'refused', refusal } = record;
    this.#requests.inc({ operation: about?.operation ?? 'none', decision });
    if (refusal !== undefined) {
      const limit = refusal.limit === undefined ? '' : this.#limits.of(refusal.limit);
      this.#refusals.inc({ reason: refusal.reason, limit, mode: 'enforce' });
    }
    if (record.tries > 1) this.#retries.inc(record.tries - 1);
    this.#observeUsage(record);
    if (decision !== 'admitted') return;
    this.#wait.observe(seconds(record.waitedMs));
    if (record.firstByteMs !== undefined) this.#firstByte.observe(seconds(record.firstByteMs));
    this.#whole.observe(seconds(record.totalMs));
  }

  /** A model has a name here once a backend has read or written tokens for it: any other name is only a client's word. */
  #observeUsage(record: RequestRecord): void {
    const { about, usage, reserved, charged, cut } = record;
    const { inputTokens = 0, outputTokens = 0 } = usage ?? {};
    if (inputTokens + outputTokens === 0) return;
    const isAnswered = record.firstByteMs !== undefined;
    const model = isAnswered ? this.#models.of(about?.model ?? '') : this.#models.known(about?.model ?? '');
    const labels = { model, tier: this.#tiers.of(about?.identity?.tier ?? '') };
    this.#tokens.inc({ direction: 'input', ...labels }, inputTokens);
    this.#tokens.inc({ direction: 'output', ...labels }, outputTokens);
    if (charged !== undefined && charged.cost > 0) this.#cost.inc(labels, charged.cost);
    if (charged !== undefined && charged.gpuSeconds > 0) this.#gpuSeconds.inc(labels, charged.gpuSeconds);
    if (reserved !== undefined) this.#observeEstimate('input', reserved.inputTokens, inputTokens);
    if (reserved !== undefined && cut === undefined) {
      this.#observeEstimate('output', reserved.outputTokens, outputTokens);
    }
    if (isAnswered) this.#genAi.observe(record, model);
  }

  #observeEstimate(direction: string, estimated: number, actual: number): void {
    if (estimated > 0 && actual > 0) this.#estimates.observe({ direction }, estimated / actual);
  }

  async page(): Promise<{ readonly contentType: string; readonly text: string }> {
    const { registry } = this.#instruments;
    return { contentType: registry.contentType, text: await registry.metrics() };
  }

  /** Every metric, for what is written about them. */
  get described(): readonly Described[] {
    return this.#instruments.described;
  }
}

function seconds(ms = 0): number {
  return ms / 1000;
}
