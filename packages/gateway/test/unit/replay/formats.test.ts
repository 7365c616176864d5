import { describe, expect, it } from 'vitest';
import { formatOf } from '../../../src/replay/formats.js';

const read = (line: string) => formatOf(line)?.read(line);

describe('an access log', () => {
  it.each([
    [
      '198.18.0.1 - - [01/Aug/1995:02:00:04 -0400] "GET /images/a.gif HTTP/1.0" 200 1713',
      { at: Date.UTC(1995, 7, 1, 6, 0, 4), address: '198.18.0.1', method: 'GET', path: '/images/a.gif' },
    ],
    [
      '10.0.0.1 - ann [17/May/2015:10:05:03 +0530] "POST /api/chat?x=1 HTTP/1.1" 200 - "http://r" "agent \\"x\\""',
      { at: Date.UTC(2015, 4, 17, 4, 35, 3), identity: 'ann', address: '10.0.0.1', method: 'POST', path: '/api/chat' },
    ],
    [
      '::1 - team-a [26/Nov/2026:12:00:00 +0000] "POST /api/chat HTTP/1.1" 200 99 "-" "curl" gpu1 0.000 0.120 2.500',
      { at: Date.UTC(2026, 10, 26, 12), identity: 'team-a', address: '::1', tookMs: 2_500 },
    ],
    [
      '10.0.0.1 - - [26/Nov/2026:12:00:00 +0000] "POST /api/chat HTTP/1.1" 429 99 "-" "curl" - - - 0.001',
      { tookMs: 1 },
    ],
    ['10.0.0.1 - - [26/Nov/2026:12:00:00 -0030] "-" 400 0', { at: Date.UTC(2026, 10, 26, 12, 30), path: '/' }],
  ])('%s', (line, expected) => {
    expect(read(line)).toMatchObject(expected);
  });
});

describe('other formats', () => {
  it('the gateway’s own log: a request began before its line was written', () => {
    const line = JSON.stringify({
      level: 'info',
      time: '2026-11-26T12:00:03.000Z',
      requestId: 'req_1',
      identity: 'ann',
      tier: 'free',
      address: '10.0.0.1',
      operation: 'chat',
      model: 'llama3.2',
      totalMs: 2_000,
      inputTokens: 12,
      outputTokens: 34,
    });
    expect(read(line)).toEqual({
      at: Date.UTC(2026, 10, 26, 12, 0, 1),
      identity: 'ann',
      tier: 'free',
      address: '10.0.0.1',
      method: 'POST',
      path: '',
      operation: 'chat',
      model: 'llama3.2',
      inputTokens: 12,
      outputTokens: 34,
      tookMs: 2_000,
    });
  });

  it.each([['{"time":"2026-11-26T12:00:03.000Z","mode":"shadow","limit":"trial"}'], ['{"broken'], ['{}']])(
    '%s is no request',
    (line) => {
      expect(read(line)).toBeUndefined();
    },
  );

  it('traces, with columns in any order', () => {
    const format = formatOf('client_id,ts_ms,output_tokens,input_tokens')!;
    expect(format.hasHead).toBe(true);
    expect(format.read('c01,1500,20,10')).toMatchObject({
      at: 1_500,
      identity: 'c01',
      inputTokens: 10,
      outputTokens: 20,
    });
    expect(format.read(',0,,')).toMatchObject({ at: 0 });
    expect(format.read('c01,,1,2')).toBeUndefined();
    expect(read('{"ts_ms":5,"client_id":null,"input_tokens":7,"output_tokens":8}')).toMatchObject({
      at: 5,
      inputTokens: 7,
      outputTokens: 8,
    });
  });

  it.each([['requests: 10/min'], ['hello'], ['a,b,c']])('%s is none of them', (line) => {
    expect(formatOf(line)).toBeUndefined();
  });
});
