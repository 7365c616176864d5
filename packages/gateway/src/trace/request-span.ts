/**
 * One span a request, for OpenTelemetry, in a program that has set up its SDK. Where there is none nothing is made, and a
 * request costs one look. The span begins with the request and ends with its answer; the stages between are its events:
 *
 *   body-read -> admitted | refused | gone -> sent (once a try) -> first-byte -> first-token
 *
 * A request that comes with a trace goes on with it, and every try hands it to its backend.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@headgate/core';
import {
  type Attributes,
  type Context,
  context,
  ProxyTracerProvider,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { genAiOperations } from '../admin/gen-ai-metrics.js';
import type { RequestRecord, RequestTrace } from '../exchange/record.js';
import { withoutKey } from '../log/lines.js';

const scope = '@headgate/gateway';

type Began = Pick<RequestRecord, 'startedAt' | 'startedMs'>;

/** Begins the request's span; undefined where nobody has set up tracing. */
export function beginSpan(request: IncomingMessage, clock: Clock, began: Began): RequestTrace | undefined {
  const tracer = tracerThatIs();
  return tracer === undefined ? undefined : new RequestSpan(tracer, request, clock, began);
}

/** The provider that stands in for one until there is one has no tracer of its own. */
function tracerThatIs(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(scope) : provider.getTracer(scope);
}

/** Longest time that the end of the program waits for spans to be sent, ms. */
const flushMs = 2_000;

/** Sends what was recorded and not yet sent, before the program ends. Never fails: spans are not worth a wrong exit status. */
export async function flushSpans(): Promise<void> {
  let sdk: Flushing = trace.getTracerProvider();
  // The stand-in may be one of another copy of the API.
  while (sdk.forceFlush === undefined && sdk.getDelegate !== undefined) sdk = sdk.getDelegate();
  if (sdk.forceFlush === undefined) return;
  const over = new AbortController();
  const tooLong = sleep(flushMs, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([sdk.forceFlush().catch(() => {}), tooLong]);
  over.abort();
}

/** The SDK's providers can, which the API does not say. */
interface Flushing extends Partial<TracerProvider> {
  forceFlush?(): Promise<void>;
  getDelegate?(): Flushing;
}

class RequestSpan implements RequestTrace {
  readonly #span: Span;
  readonly #context: Context;
  readonly #clock: Clock;
  readonly #began: Began;
  readonly #sent: { readonly backend: string; readonly atMs: number }[] = [];

  constructor(tracer: Tracer, { method = '', url = '', headers }: IncomingMessage, clock: Clock, began: Began) {
    const active = context.active();
    // A span of the HTTP server's own has read the headers already.
    const parent = trace.getSpan(active) === undefined ? propagation.extract(active, headers) : active;
    const attributes = { 'http.request.method': method, 'url.path': withoutKey(url) };
    this.#span = tracer.startSpan(method, { kind: SpanKind.SERVER, startTime: began.startedAt, attributes }, parent);
    this.#context = trace.setSpan(parent, this.#span);
    this.#clock = clock;
    this.#began = began;
  }

  get id(): string {
    return this.#span.spanContext().traceId;
  }

  sent(backend: string, headers: OutgoingHttpHeaders): void {
    propagation.inject(this.#context, headers);
    this.#sent.push({ backend, atMs: this.#clock.now() - this.#began.startedMs });
  }

  end(record: RequestRecord): void {
    const { totalMs = this.#clock.now() - this.#began.startedMs } = record;
    if (this.#span.isRecording()) {
      this.#tellStages(record);
      this.#span.updateName(nameOf(record));
      this.#span.setAttributes(attributesOf(record));
      const failure = failureOf(record);
      if (failure !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    }
    this.#span.end(this.#began.startedAt + totalMs);
  }

  #tellStages({ bodyReadMs, waitedMs, decision, refusal, firstByteMs, firstTokenMs }: RequestRecord): void {
    const { startedMs } = this.#began;
    const readMs = bodyReadMs === undefined ? undefined : bodyReadMs - startedMs;
    if (readMs !== undefined) this.#event('body-read', readMs);
    if (decision !== undefined && waitedMs !== undefined) {
      this.#event(decision, (readMs ?? 0) + waitedMs, {
        'headgate.waited_ms': waitedMs,
        ...(refusal !== undefined && refusalOf(refusal)),
      });
    }
    for (const { backend, atMs } of this.#sent) this.#event('sent', atMs, { 'headgate.backend': backend });
    if (firstByteMs !== undefined) this.#event('first-byte', firstByteMs);
    if (firstTokenMs !== undefined) this.#event('first-token', firstTokenMs);
  }

  /** @param atMs since the request arrived */
  #event(name: string, atMs: number, attributes: Attributes = {}): void {
    this.#span.addEvent(name, attributes, this.#began.startedAt + atMs);
  }
}

/** As the conventions for generative AI say, and for all else as those for HTTP do: never by what only a client made up. */
function nameOf({ about, method }: RequestRecord): string {
  const { operation, model, path } = about ?? {};
  const genAi = genAiOperations[operation ?? ''];
  if (genAi !== undefined && model !== undefined) return `${genAi} ${model}`;
  return operation === undefined ? method : `${method} ${path}`;
}

function attributesOf(record: RequestRecord): Attributes {
  const { about, usage, charged, refusal, status, backend, tries, cut, decision } = record;
  const failure = refusal?.reason ?? cut;
  const known: Record<string, string | number | undefined> = {
    'http.response.status_code': status,
    'client.address': about?.address || record.peer || undefined,
    'error.type': failure,
    'gen_ai.operation.name': genAiOperations[about?.operation ?? ''],
    'gen_ai.provider.name': about?.model === undefined ? undefined : about.dialect,
    'gen_ai.request.model': about?.model,
    'gen_ai.usage.input_tokens': usage?.inputTokens,
    'gen_ai.usage.output_tokens': usage?.outputTokens,
    'headgate.request_id': about?.requestId,
    'headgate.identity': about?.identity?.id,
    'headgate.tier': about?.identity?.tier,
    'headgate.decision': decision,
    'headgate.backend': backend,
    'headgate.tries': tries,
    'headgate.cost': charged?.cost || undefined,
    ...(refusal !== undefined && refusalOf(refusal)),
  };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)) as Attributes;
}

function refusalOf({ reason, limit }: NonNullable<RequestRecord['refusal']>): Attributes {
  return { 'headgate.reason': reason, ...(limit !== undefined && { 'headgate.limit': limit }) };
}

/** What went wrong on this side: a refusal for what a client asked or used is an answer like any other. */
function failureOf({ refusal, status = 0, cut }: RequestRecord): string | undefined {
  if (refusal !== undefined) return refusal.status >= 500 ? refusal.message : undefined;
  if (status >= 500) return `status ${status}`;
  return cut === undefined || /^(?:cap|budget|client gone)$/.test(cut) ? undefined : cut;
}
