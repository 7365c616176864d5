/** A log of the past against a policy of today. */
import { parsePolicy } from '@headgate/core';
import { expect, it } from 'vitest';
import { jsonLine } from '../../../src/replay/json-format.js';
import { Replay } from '../../../src/replay/replay.js';

const policy = parsePolicy({ requests: '2/hour', tiers: { free: { requests: '1/hour' } } });
const line = (more: object): string =>
  JSON.stringify({ time: '2026-01-05T10:00:00.000Z', requestId: 'req_1', operation: 'chat', identity: 'ann', ...more });

it('counts a request of a tier that is no more by the name alone', () => {
  const replay = new Replay(policy, Date.parse('2026-01-05T10:00:00.000Z'));
  for (const tier of ['gone', 'gone', 'gone', 'free']) replay.request(jsonLine(line({ tier }))!);
  expect(replay.refused).toBe(1);
});

it('does not take a size that cannot be one', () => {
  const replay = new Replay(policy, Date.parse('2026-01-05T10:00:00.000Z'));
  for (const inputTokens of ['1e999', '-5', '"7"']) {
    replay.request(jsonLine(line({}).replace('}', `,"inputTokens":${inputTokens}}`))!);
  }
  expect(replay.requests).toBe(3);
});

it('says what would have fitted of tokens, with those of requests that were refused', () => {
  const replay = new Replay(parsePolicy({ tokens: '30/hour' }), Date.parse('2026-01-05T10:00:00.000Z'));
  for (const inputTokens of [20, 25]) replay.request(jsonLine(line({ inputTokens, outputTokens: 5 }))!);
  expect(replay.refused).toBe(1);
  expect(replay.results[0]!.fit?.p100).toBe(55);
});
