import { describe, expect, it } from 'vitest';
import type { RequestRecord } from '../../../src/exchange/record.js';
import { combinedLine, jsonFields, jsonLine, prettyLine, withoutKey } from '../../../src/log/lines.js';

const record: RequestRecord = {
  startedAt: Date.UTC(2026, 7, 22, 1, 2, 3),
  startedMs: 0,
  method: 'POST',
  httpVersion: '1.1',
  target: '/k/sk-secret/api/chat?key=sk-secret',
  referer: 'http://x/?key=sk-secret',
  userAgent: 'a "b"\n\\',
  peer: '10.0.0.9',
  about: {
    requestId: 'req_1',
    path: '/api/chat',
    dialect: 'ollama',
    address: '10.0.0.1',
    identity: { id: 'team-a', tier: 'free', weight: 1, priority: 'normal' },
    operation: 'chat',
    model: 'llama3.2',
  },
  decision: 'admitted',
  status: 200,
  backend: 'gpu1',
  tries: 1,
  waitedMs: 12.345,
  firstByteMs: 100,
  totalMs: 2000,
  usage: { inputTokens: 10, outputTokens: 20 },
  bytes: 512,
};

describe('a line of the access log', () => {
  it('as nginx writes it, with backend and times, and without keys', () => {
    expect(combinedLine(record)).toBe(
      '10.0.0.1 - team-a [22/Aug/2026:01:02:03 +0000] "POST /k/***/api/chat HTTP/1.1" 200 512 "http://x/" "a \\x22b\\x22\\x0A\\x5C" gpu1 0.012 0.100 2.000',
    );
  });

  it('of a client that left before anything was known', () => {
    const { about: _, status: __, backend: ___, ...rest } = record;
    const gone = { ...rest, tries: 0 };
    delete (gone as Partial<RequestRecord>).waitedMs;
    delete (gone as Partial<RequestRecord>).firstByteMs;
    expect(combinedLine(gone)).toContain('10.0.0.9 - - [22/Aug/2026');
    expect(combinedLine(gone)).toMatch(/ 499 512 .* - - - 2\.000$/);
  });

  it('of what was no request', () => {
    const none: RequestRecord = {
      ...{ startedAt: record.startedAt, startedMs: 0, peer: '10.0.0.9', tries: 0, bytes: 0, totalMs: 0, status: 400 },
      ...{ method: '', httpVersion: '', target: '', referer: '', userAgent: '', decision: 'refused' },
      refusal: { reason: 'bad-request', status: 400, message: 'no request' },
    };
    expect(combinedLine(none)).toBe('10.0.0.9 - - [22/Aug/2026:01:02:03 +0000] "-" 400 0 "-" "-" - - - 0.000');
    expect(prettyLine(none)).toMatch(/400 {2}no request, from 10\.0\.0\.9 {2}refused: bad-request {2}0ms$/);
    expect(jsonFields(none)).toMatchObject({ address: '10.0.0.9', status: 400, reason: 'bad-request' });
  });

  it('as JSON, without what is not known', () => {
    expect(jsonFields(record)).toEqual({
      requestId: 'req_1',
      identity: 'team-a',
      tier: 'free',
      address: '10.0.0.1',
      dialect: 'ollama',
      operation: 'chat',
      model: 'llama3.2',
      status: 200,
      backend: 'gpu1',
      tries: 1,
      waitedMs: 12.3,
      firstByteMs: 100,
      totalMs: 2000,
      inputTokens: 10,
      outputTokens: 20,
    });
    const said = { ...record, cut: 'a "quoted"\nword' };
    const line = jsonLine(said, '2026-08-22T01:02:03.000Z');
    expect(line).toMatch(/^\{"level":"info","time":"2026-08-22T01:02:03\.000Z",[^\n]*\}$/);
    const { level, time, ...fields } = JSON.parse(line) as Record<string, unknown>;
    expect({ level, time }).toEqual({ level: 'info', time: '2026-08-22T01:02:03.000Z' });
    expect(fields).toEqual(JSON.parse(JSON.stringify(jsonFields(said))));
  });

  it('of a refusal, with reason, limit and mode', () => {
    const refusal = { reason: 'limit', status: 429, message: 'no', limit: 'generate' } as const;
    expect(jsonFields({ ...record, refusal })).toMatchObject({ reason: 'limit', limit: 'generate', mode: 'enforce' });
    expect(prettyLine({ ...record, refusal, status: 429 })).toContain('refused: generate');
  });

  it('with the wait, where there was one, and what it cost, where it cost something', () => {
    const charged = { inputTokens: 10, outputTokens: 20, cost: 0.0012345678, gpuSeconds: 1.5 };
    expect(jsonFields({ ...record, charged })).toMatchObject({ cost: 0.00123457, gpuSeconds: 1.5 });
    const line = prettyLine({ ...record, charged, waitedMs: 340.4 });
    expect(line).toMatch(/ {2}waited 340ms {2}by gpu1 {2}10 tokens in, 20 out {2}\$0\.00123457 {2}2000ms$/);
    expect(prettyLine(record)).not.toMatch(/waited|\$/);
  });
});

it.each([
  ['/k/sk-1/api/chat', '/k/***/api/chat'],
  ['/k/sk-1', '/k/***'],
  ['/%6b/sk-1/x', '/k/***/x'],
  ['//k/sk-1/x', '//k/***/x'],
  ['http://host/k/sk-1/x?key=sk-1', 'http://host/k/***/x'],
  ['/api/chat#sk-1', '/api/chat'],
  ['/%4B/sk-1/x', '/k/***/x'],
  ['/k%2Fsk-1%2fx/y', '/k/***%2fx/y'],
  ['http://user:sk-1@host/api/chat', 'http://***@host/api/chat'],
])('%s is logged as %s', (target, logged) => {
  expect(withoutKey(target)).toBe(logged);
});
