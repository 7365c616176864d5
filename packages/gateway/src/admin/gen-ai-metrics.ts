/**
 * The metrics that OpenTelemetry's conventions for generative AI name, as Prometheus spells them: units last, in seconds.
 * Their buckets are the ones those conventions advise.
 */
import type { RequestRecord } from '../exchange/record.js';
import { Few, type Instruments } from './instruments.js';

/** Pairs of operation and model that are told apart: a pair is about ninety series. */
const pairsMax = 50;

const durationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const firstTokenBuckets = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const perTokenBuckets = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const tokenBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

const labels = ['gen_ai_operation_name', 'gen_ai_request_model'] as const;
type Label = (typeof labels)[number];

/** What we call an operation, as those conventions do. */
export const genAiOperations: Readonly<Record<string, string>> = {
  chat: 'chat',
  generate: 'text_completion',
  embed: 'embeddings',
};

export class GenAiMetrics {
  readonly #pairs = new Few(pairsMax);
  readonly #duration;
  readonly #firstToken;
  readonly #perToken;
  readonly #tokens;

  constructor(instruments: Instruments) {
    const perPair = (name: string, help: string, buckets: readonly number[]) =>
      instruments.histogram<Label>(name, help, buckets, [...labels]);
    this.#duration = perPair(
      'gen_ai_server_request_duration_seconds',
      'From a request to the end of its answer',
      durationBuckets,
    );
    this.#firstToken = perPair(
      'gen_ai_server_time_to_first_token_seconds',
      'From a request to the first token of a streamed answer',
      firstTokenBuckets,
    );
    this.#perToken = perPair(
      'gen_ai_server_time_per_output_token_seconds',
      'Time between tokens of a streamed answer after the first',
      perTokenBuckets,
    );
    this.#tokens = instruments.histogram<Label | 'gen_ai_token_type'>(
      'gen_ai_client_token_usage',
      'Tokens of one request',
      tokenBuckets,
      [...labels, 'gen_ai_token_type'],
    );
  }

  /** @param model that a backend has answered for */
  observe({ about, usage, totalMs = 0, firstTokenMs }: RequestRecord, model: string): void {
    const operation = genAiOperations[about?.operation ?? ''];
    if (operation === undefined) return;
    const gen_ai_operation_name = operation;
    const gen_ai_request_model = this.#pairs.has(`${operation} ${model}`) ? model : 'other';
    const pair: Record<Label, string> = { gen_ai_operation_name, gen_ai_request_model };
    const ofType = (gen_ai_token_type: string) => ({ gen_ai_operation_name, gen_ai_request_model, gen_ai_token_type });
    this.#duration.observe(pair, totalMs / 1000);
    const { inputTokens, outputTokens = 0 } = usage ?? {};
    if (firstTokenMs !== undefined) {
      this.#firstToken.observe(pair, firstTokenMs / 1000);
      if (outputTokens > 1) this.#perToken.observe(pair, (totalMs - firstTokenMs) / 1000 / (outputTokens - 1));
    }
    if (inputTokens !== undefined) this.#tokens.observe(ofType('input'), inputTokens);
    if (operation !== 'embeddings') this.#tokens.observe(ofType('output'), outputTokens);
  }
}
