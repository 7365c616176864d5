import { parsePolicy } from '@headgate/core';
import { expect, test } from 'vitest';
import { limitsTables } from '../../../src/config/limits-table.js';

/** Each line as its cells. */
const rowsOf = (policy: object): string[][] =>
  limitsTables(parsePolicy(policy))
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));

test('what a tier says besides its limits is there', () => {
  const run = { toolCalls: 20, depth: 5, time: '120s' };
  const tiers = { agents: { priority: 'high', input: '32k', output: 512, contextAlert: 0.8, run } };
  expect(rowsOf({ tiers })).toEqual([
    ['tier default'],
    ['models', 'all'],
    [''],
    ['tier agents'],
    ['models', 'all'],
    ['priority', 'high'],
    ['input', 'at most 32000 tokens in a prompt'],
    ['output', 'at most 512 tokens in an answer'],
    ['contextAlert', 'an alert at 80 % of the context'],
    ['run.depth', 'at most 5 agents deep'],
    ['run.time', 'at most 2min a run'],
    ['agents.run.toolCalls', '20 tool calls per run', 'per run'],
  ]);
});

test('a limit says who waits for it in the queue, and when it alerts', () => {
  const limits = [
    { name: 'house', per: 'all', concurrency: 100 },
    { name: 'hasty', per: 'all', concurrency: 100, queue: false },
    { name: 'spend', per: 'all', cost: '$50/hour', alertAt: 0.8 },
    { name: 'third', per: 'address', requests: '5/s', mode: 'shadow', alertAt: 1 / 3 },
  ];
  expect(rowsOf({ concurrency: { limit: 2, queue: true }, limits, prices: { '*': { input: 1 } } })).toEqual([
    ['tier default'],
    ['models', 'all'],
    ['concurrency', '2 requests at once', 'per identity, more wait in the queue'],
    [''],
    ['limits on top of the tier'],
    ['house', '100 requests at once', 'per all, more wait in the queue'],
    ['hasty', '100 requests at once', 'per all'],
    ['spend', '$50 per hour (rolling)', 'per all, an alert at 80 %'],
    ['third', '5 requests per second', 'per address, an alert at 33.3 %, shadow'],
  ]);
});
