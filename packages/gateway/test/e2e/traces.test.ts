/** Traces, with the real SDK of OpenTelemetry: what its exporter is given, and what backends are told. */
import { readFile, symlink } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@headgate/core';
import { context, propagation, SpanKind, SpanStatusCode, type TracerProvider, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RequestRecord } from '../../src/exchange/record.js';
import { beginSpan, flushSpans } from '../../src/trace/request-span.js';
import { atEnd, chat, fake, gatewayFor, generate, post, setup, until } from '../support/harness.js';
import { fileWith, program } from '../support/program.js';

const exporter = new InMemorySpanExporter();
const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const traceparent = (flags = '01'): Record<string, string> => ({ traceparent: `00-${traceId}-${parentId}-${flags}` });

function setUpTracing(): void {
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
}

/** The only span, once there is one. */
async function span(): Promise<ReadableSpan> {
  await until(() => exporter.getFinishedSpans().length > 0, 'a span has ended');
  const spans = exporter.getFinishedSpans();
  expect(spans).toHaveLength(1);
  return spans[0]!;
}

const events = ({ events }: ReadableSpan): string[] => events.map(({ name }) => name);
const milliseconds = ([seconds, nanoseconds]: readonly [number, number]): number => seconds * 1_000 + nanoseconds / 1e6;

describe('with tracing set up', () => {
  beforeEach(() => {
    exporter.reset();
    setUpTracing();
  });
  afterEach(() => {
    trace.disable();
    propagation.disable();
    context.disable();
  });

  test('a request is one span, its stages are events in their order, its usage has the names of the conventions', async () => {
    const { url, log } = await setup({ identity: [{ apiKey: { keys: { 'sk-1': { id: 'team-a' } } } }] });
    const body = { ...chat, stream: true };
    await (await post(`${url}/api/chat`, body, { authorization: 'Bearer sk-1', ...traceparent() })).arrayBuffer();
    const one = await span();
    expect(one).toMatchObject({
      name: 'chat llama3.2',
      kind: SpanKind.SERVER,
      status: { code: SpanStatusCode.UNSET },
      parentSpanContext: { traceId, spanId: parentId },
    });
    expect(one.attributes).toEqual({
      'http.request.method': 'POST',
      'url.path': '/api/chat',
      'http.response.status_code': 200,
      'client.address': '127.0.0.1',
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'ollama',
      'gen_ai.request.model': 'llama3.2',
      'gen_ai.usage.input_tokens': log[0]!.inputTokens,
      'gen_ai.usage.output_tokens': log[0]!.outputTokens,
      'headgate.request_id': log[0]!.requestId,
      'headgate.identity': 'team-a',
      'headgate.tier': 'default',
      'headgate.decision': 'admitted',
      'headgate.backend': 'b1',
      'headgate.tries': 1,
    });
    expect(events(one)).toEqual(['body-read', 'admitted', 'sent', 'first-byte', 'first-token']);
    const times = [one.startTime, ...one.events.map(({ time }) => time), one.endTime].map(milliseconds);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(milliseconds(one.duration)).toBeCloseTo(log[0]!.totalMs as number, 0);
    expect(log[0]!.traceId).toBe(traceId);
  });

  test('the backend is told of the trace, and of this span as the one it belongs to', async () => {
    const { url, backend } = await setup({});
    await (await post(`${url}/api/generate`, generate, traceparent())).arrayBuffer();
    const { spanId } = (await span()).spanContext();
    expect(backend.seen.map(({ headers }) => headers.traceparent)).toEqual([`00-${traceId}-${spanId}-01`]);
  });

  test('a request that comes with no trace begins one', async () => {
    const { url, backend, log } = await setup({});
    await (await post(`${url}/api/generate`, generate)).arrayBuffer();
    const one = await span();
    expect(one.parentSpanContext).toBeUndefined();
    expect(one.name).toBe('text_completion llama3.2');
    expect(log[0]!.traceId).toBe(one.spanContext().traceId);
    expect(backend.seen[0]!.headers.traceparent).toContain(one.spanContext().traceId);
  });

  test('a trace that is not recorded costs no span, and its backend is told so', async () => {
    const { url, backend } = await setup({});
    await (await post(`${url}/api/generate`, generate, traceparent('00'))).arrayBuffer();
    await until(() => backend.seen.length === 1, 'the backend was asked');
    expect(backend.seen[0]!.headers.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    expect(exporter.getFinishedSpans()).toEqual([]);
  });

  test('a refusal is an event with its reason and limit, and no error of the gateway', async () => {
    const { url } = await setup({ limits: [{ name: 'gen', match: { operation: 'generate' }, requests: '1/min' }] });
    await (await post(`${url}/api/generate`, generate)).arrayBuffer();
    await span();
    exporter.reset();
    await (await post(`${url}/api/generate`, generate)).arrayBuffer();
    const one = await span();
    expect(events(one)).toEqual(['body-read', 'refused']);
    expect(one.events[1]!.attributes).toMatchObject({ 'headgate.reason': 'limit', 'headgate.limit': 'gen' });
    expect(one.attributes).toMatchObject({
      'http.response.status_code': 429,
      'error.type': 'limit',
      'headgate.limit': 'gen',
    });
    expect(one.status.code).toBe(SpanStatusCode.UNSET);
  });

  test('every try is an event, and a request that no backend could serve is an error', async () => {
    const gone = await fake();
    const other = await fake();
    const { url } = await gatewayFor({
      backends: [
        { url: gone.url, name: 'gone' },
        { url: other.url, name: 'gone2' },
      ],
    });
    await Promise.all([gone.close(), other.close()]);
    expect((await post(`${url}/api/generate`, generate)).status).toBe(502);
    const one = await span();
    expect(events(one)).toEqual(['body-read', 'admitted', 'sent', 'sent']);
    expect(one.attributes).toMatchObject({ 'error.type': 'backend-error', 'headgate.tries': 2 });
    expect(one.status.code).toBe(SpanStatusCode.ERROR);
  });

  test('a client that leaves ends its span, and that is no error of the gateway', async () => {
    const { url } = await setup({}, { backends: [{ decodeTokensPerSecond: 20, outputTokens: 1_000 }] });
    const leaving = new AbortController();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ ...chat, stream: true });
    const answer = await fetch(`${url}/api/chat`, { method: 'POST', headers, body, signal: leaving.signal });
    await answer.body!.getReader().read();
    leaving.abort();
    const one = await span();
    expect(one.attributes).toMatchObject({ 'error.type': 'client gone', 'headgate.decision': 'admitted' });
    expect(one.status.code).toBe(SpanStatusCode.UNSET);
  });

  test('neither a key in the path nor what only a client made up names a span', async () => {
    const { url } = await setup({
      identity: [{ apiKey: { from: ['path'], keys: { 'sk-secret': { id: 'team-a' } } } }],
    });
    await (await post(`${url}/k/sk-secret/api/chat?key=sk-secret`, chat)).arrayBuffer();
    const known = await span();
    exporter.reset();
    await (await post(`${url}/k/sk-secret/made-up`, chat)).arrayBuffer();
    const unknown = await span();
    expect([known.name, known.attributes['url.path']]).toEqual(['chat llama3.2', '/k/***/api/chat']);
    expect(unknown.name).toBe('POST');
    expect(
      JSON.stringify([known, unknown].map(({ name, attributes, events }) => [name, attributes, events])),
    ).not.toContain('sk-secret');
  });
});

test('what was recorded is sent at the end also by an SDK with another copy of the API, and one that hangs or fails holds up nobody', async () => {
  atEnd(async () => void trace.disable());
  let flushed = 0;
  let flush = async (): Promise<void> => void flushed++;
  const sdk = { getTracer: () => trace.getTracer('none'), forceFlush: () => flush() };
  trace.setGlobalTracerProvider({ getTracer: sdk.getTracer, getDelegate: () => sdk } as TracerProvider);
  await flushSpans();
  expect(flushed).toBe(1);
  flush = () => Promise.reject(new Error('no collector'));
  await flushSpans();
  flush = () => new Promise(() => {});
  const from = performance.now();
  await flushSpans();
  expect(performance.now() - from).toBeGreaterThan(1_900);
});

test('with no SDK nothing is made, and what a client sends of a trace reaches the backend as it is', async () => {
  const untouched = new Proxy({} as IncomingMessage & Clock & RequestRecord, {
    get: (_, name) => {
      throw new Error(`${String(name)} was read`);
    },
  });
  expect(beginSpan(untouched, untouched, untouched)).toBeUndefined();
  const { url, backend, log } = await setup({});
  await (await post(`${url}/api/generate`, generate, traceparent())).arrayBuffer();
  await until(() => log.length === 1, 'the request is in the log');
  expect(log[0]).not.toHaveProperty('traceId');
  expect(backend.seen[0]!.headers.traceparent).toBe(traceparent().traceparent);
});

/** What a collector is sent, by OTLP as JSON. */
interface Sent {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly { name: string }[] }[];
  }[];
}

test('what docs/operations/traces.md says to load sends spans to a collector, the last of them when the program stops', async () => {
  const names: string[] = [];
  const collector = createServer(async (request, response) => {
    const { resourceSpans } = JSON.parse(await text(request)) as Sent;
    for (const { scopeSpans } of resourceSpans)
      for (const { spans } of scopeSpans) names.push(...spans.map(({ name }) => name));
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  atEnd(async () => void collector.close());
  const { port } = collector.address() as AddressInfo;
  const page = await readFile(new URL('../../../../docs/operations/traces.md', import.meta.url), 'utf8');
  const file = await fileWith(/```js\n(.*?)```/s.exec(page)![1]!, 'telemetry.mjs');
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(dirname(file), 'node_modules'));
  const backend = await fake();
  const gateway = program(['serve', '--backend', backend.url, '--port', '0'], {
    NODE_OPTIONS: `--import ${file}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  });
  await (await post(`${await gateway.url()}/api/chat`, chat)).arrayBuffer();
  await until(() => gateway.stdout().includes('requestId'), 'the request is in the log');
  gateway.child.kill('SIGTERM');
  expect(await gateway.exited).toBe(0);
  expect(names).toEqual(['chat llama3.2']);
});
