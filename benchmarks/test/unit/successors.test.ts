/** Answers of a real trace, whose process is replaced again and again: what a successor sets aside for the first of them. */
import { createLimiter, type Limiter } from '@headgate/core';
import { expect, test } from 'vitest';
import { sharedMemory } from '../../estimator/shared-memory.js';
import { readTrace } from '../../simulation/workloads/traces.js';

const policy = { tokens: '900000M/day' };
/** Answers of one process, and those at its start that are looked at. */
const answersEach = 450;
const first = 20;

/** Whether the answer stayed below what was set aside for it. */
function staysBelow(limiter: Limiter, outputTokens: number): boolean {
  const decision = limiter.admitNow({ identity: 'ann', model: 'm', input: { tokens: 1 } });
  if (!decision.admitted) throw new Error(decision.refusal.message);
  decision.permit.settle({ inputTokens: 1, outputTokens });
  return outputTokens <= decision.permit.reserved.outputTokens;
}

test('of the first twenty answers after a start 76 % stay below what is set aside by a process alone, 91 % by a successor', async () => {
  const lengths = readTrace('azure-llm-2023-conv').map(({ outputTokens }) => outputTokens);
  const memory = sharedMemory();
  const counts = { starts: 0, alone: 0, successor: 0, 'gone on': 0 };
  const goneOn = createLimiter(policy);
  for (let from = 0; from + first < lengths.length; from += answersEach) {
    const limiters = { alone: createLimiter(policy), successor: createLimiter(policy, { store: memory() }) };
    while (limiters.successor.stats().lessons?.answered === 0) await Promise.resolve();
    const beginning = lengths.slice(from, from + first);
    const isFirst = from === 0;
    for (const length of beginning) {
      for (const [name, limiter] of [...Object.entries(limiters), ['gone on', goneOn] as const]) {
        const below = staysBelow(limiter, length);
        if (!isFirst && below) counts[name as keyof typeof counts]++;
      }
    }
    if (!isFirst) counts.starts++;
    for (const length of lengths.slice(from + first, from + answersEach)) {
      for (const limiter of [limiters.successor, goneOn]) staysBelow(limiter, length);
    }
    await limiters.alone.close();
    await limiters.successor.close();
  }
  await goneOn.close();
  const percent = (count: number): number => Math.round((100 * count) / (first * counts.starts));
  expect([counts.starts, percent(counts.alone), percent(counts.successor), percent(counts['gone on'])]).toEqual([
    42, 76, 91, 92,
  ]);
});
