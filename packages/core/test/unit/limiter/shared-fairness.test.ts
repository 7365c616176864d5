/** What identities get of slots that two processes share, each of which is fair by itself. */
import { describe, expect, test } from 'vitest';
import { Limiter } from '../../../src/limiter.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import { MemoryStore } from '../../../src/store/memory.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { LaterStore } from '../../support/later-store.js';
import { numbers } from '../../support/numbers.js';
import { visit } from '../../support/timeline.js';

const shared = { backends: [{ url: 'http://b', name: 'b', slots: 4 }], queue: { depth: 50, wait: '60s' } };
const answerMs = 2_000;

/** How many requests of each identity are always there, in each process. */
type Crowd = readonly Readonly<Record<string, number>>[];

/** Answers in four minutes by identity, and how many of its requests were refused. */
async function served(policy: object, crowd: Crowd): Promise<Record<string, { answers: number; refused: number }>> {
  const clock = new VirtualClock();
  const counters = new MemoryStore(clock);
  const random = numbers(5);
  const counts: Record<string, { answers: number; refused: number }> = {};
  let isOver = false;
  const ask = async (limiter: Limiter, identity: string): Promise<void> => {
    counts[identity] ??= { answers: 0, refused: 0 };
    const count = counts[identity];
    while (!isOver) {
      const one = visit(limiter, identity, { input: { tokens: 100 } });
      await one.ended;
      if (one.state !== 'admitted') {
        count.refused++;
        return;
      }
      await new Promise<void>((resolve) => void clock.after(answerMs, resolve));
      one.permit.settle({ inputTokens: 100, outputTokens: 100 });
      count.answers++;
    }
  };
  for (const [rank, identities] of crowd.entries()) {
    const store = new LaterStore(clock, counters);
    store.latencyMs = 2;
    store.peers = { count: crowd.length, rank };
    const limiter = new Limiter(parsePolicy(policy), { clock, random, store });
    for (const [identity, count] of Object.entries(identities)) {
      for (let i = 0; i < count; i++) void ask(limiter, identity);
    }
  }
  await clock.run(240_000);
  isOver = true;
  return counts;
}

const shareOf = ({ ann, bob }: Awaited<ReturnType<typeof served>>): number =>
  bob!.answers / (ann!.answers + bob!.answers);

describe('of two identities', () => {
  test('that ask both processes each gets half, however much more the one asks', async () => {
    expect(
      shareOf(
        await served(shared, [
          { ann: 10, bob: 2 },
          { ann: 10, bob: 2 },
        ]),
      ),
    ).toBeCloseTo(0.5, 1);
  });

  test('one that asks one process only gets half of what that has, and half of all where each has slots of its own', async () => {
    const crowd = [{ ann: 10, bob: 10 }, { ann: 10 }];
    expect(shareOf(await served(shared, crowd))).toBeCloseTo(0.25, 1);
    const own = await served({ ...shared, concurrency: { limit: 2, queue: true } }, crowd);
    expect(shareOf(own)).toBeCloseTo(0.5, 1);
    expect([own.ann!.refused, own.bob!.refused]).toEqual([0, 0]);
  });
});
