import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { Violations } from '../../../src/log/violations.js';
import { recordOf, refusalOf } from '../../support/records.js';

const minute = 60_000;

interface Said {
  readonly sentence: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function bench(): {
  clock: VirtualClock;
  violations: Violations;
  said: Said[];
  refuse(identity: string, times: number, limit?: string): void;
} {
  const clock = new VirtualClock();
  const said: Said[] = [];
  const violations = new Violations(clock, { note: (sentence, fields) => said.push({ sentence, fields }) });
  const refuse = (identity: string, times: number, limit = 'free.requests.min'): void => {
    for (let i = 0; i < times; i++) violations.observe(refusalOf({ identity }, limit));
  };
  return { clock, violations, said, refuse };
}

describe('once a minute', () => {
  test('it is told who was refused by what and how often, the most often first', async () => {
    const { clock, violations, said, refuse } = bench();
    refuse('ann', 3);
    refuse('bob', 5, 'house');
    await clock.run(30_000);
    refuse('ann', 4);
    const { about: _, ...unknown } = refusalOf();
    violations.observe({ ...unknown, refusal: { reason: 'unauthorized', status: 401, message: 'no.' } });
    await clock.run(29_999);
    expect(said).toEqual([]);
    await clock.run(1);
    expect(said).toEqual([
      {
        sentence: 'in 60 s 13 refused: ann 7 by free.requests.min, bob 5 by house, 10.0.0.9 1 by unauthorized',
        fields: {
          ...{ event: 'refusals', seconds: 60, refused: 13, wouldRefuse: 0, others: 0 },
          most: [
            { identity: 'ann', by: 'free.requests.min', mode: 'enforce', count: 7 },
            { identity: 'bob', by: 'house', mode: 'enforce', count: 5 },
            { address: '10.0.0.9', by: 'unauthorized', mode: 'enforce', count: 1 },
          ],
        },
      },
    ]);
  });

  test('what limits in shadow would have refused is told apart', async () => {
    const { clock, violations, said, refuse } = bench();
    refuse('ann', 1);
    const { identity } = refusalOf({ identity: 'ann' }).about!;
    const event = { identity: identity!, operation: 'chat', model: '', reason: 'limit', limit: 'trial' } as const;
    violations.wouldRefuse(event);
    violations.wouldRefuse(event);
    await clock.run(minute);
    expect(said[0]!.sentence).toBe(
      'in 60 s 1 refused, 2 would have been by limits in shadow: ann 2 by trial (shadow), ann 1 by free.requests.min',
    );
  });

  test('nothing is said of a minute in which nobody was refused, and no timer runs', async () => {
    const { clock, violations, said, refuse } = bench();
    violations.observe(recordOf());
    // Let through, and then let down by its backend: no limit refused it.
    violations.observe(recordOf({}, { refusal: { reason: 'backend-error', status: 502, message: 'no.' } }));
    expect(clock.timers).toBe(0);
    refuse('ann', 1);
    await clock.run(5 * minute);
    expect(said).toHaveLength(1);
    expect(clock.timers).toBe(0);
    refuse('ann', 2);
    await clock.run(minute);
    expect(said[1]!.fields).toMatchObject({
      seconds: 60,
      refused: 2,
      others: 0,
      most: [{ identity: 'ann', count: 2 }],
    });
  });

  test('ten are named, and the rest are counted', async () => {
    const { clock, said, refuse } = bench();
    for (let i = 1; i <= 15; i++) refuse(`id-${i}`, i);
    await clock.run(minute);
    expect(said[0]!.fields.most).toHaveLength(10);
    expect(said[0]!.fields).toMatchObject({ refused: 120, others: 15 });
    expect(said[0]!.sentence).toMatch(/id-6 6 by free\.requests\.min, 15 of others$/);
  });

  test('a flood of names hides nobody who is refused again and again, and every refusal is counted', async () => {
    const { clock, said, refuse } = bench();
    for (let i = 0; i < 20_000; i++) {
      refuse(`made-up-${i}`, 1);
      if (i % 100 === 0) refuse('ann', 1);
    }
    await clock.run(minute);
    const [first] = said[0]!.fields.most as { identity: string; count: number }[];
    expect(first).toMatchObject({ identity: 'ann', count: 200 });
    expect(said[0]!.fields.refused).toBe(20_200);
    expect(said[0]!.sentence.length).toBeLessThan(1_000);
  });

  test('the end tells what there is', async () => {
    const { clock, violations, said, refuse } = bench();
    violations.close();
    expect(said).toEqual([]);
    refuse('ann', 2);
    await clock.run(7_000);
    violations.close();
    expect(said.map(({ sentence }) => sentence)).toEqual(['in 7 s 2 refused: ann 2 by free.requests.min']);
    expect(clock.timers).toBe(0);
  });
});
