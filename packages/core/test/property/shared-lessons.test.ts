/** What processes make of what they tell each other: nothing counts twice, order of reading means nothing, and nonsense is bounded. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import { Calibration } from '../../src/admission/calibrate.js';
import { OutputLengths } from '../../src/admission/learn.js';
import type { SharedLearner, Telling } from '../../src/admission/shared-lessons.js';
import type { PromptSize } from '../../src/reservation.js';
import { Shelf } from '../support/shelf.js';

const prompt = (textTokens: number): PromptSize => ({
  characters: undefined,
  textTokens,
  messages: 0,
  images: 0,
  tokensKnown: 0,
});

/** What one process may do, and what may happen to it. */
type Step =
  | { readonly do: 'learn'; readonly process: number }
  | { readonly do: 'exchange'; readonly process: number; readonly fate: 'answered' | 'down' | 'reply lost' };

const process = fc.nat({ max: 2 });
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record<Step>({ do: fc.constant('learn'), process }) },
    {
      weight: 1,
      arbitrary: fc.record<Step>({
        do: fc.constant('exchange'),
        process,
        fate: fc.constantFrom('answered', 'answered', 'down', 'reply lost'),
      }),
    },
  ),
  { maxLength: 200 },
);

const lengthsKept = (shelf: Shelf, name: string): number[] => {
  const bytes = shelf.get(name)?.slice() ?? new Uint8Array();
  return Array.from({ length: bytes.length / 4 }, (_, i) => new DataView(bytes.buffer).getUint32(4 * i, true));
};

describe('answers told', () => {
  test('are kept once, in the order told, whoever saw them and whatever became of the replies', () => {
    holds(
      fc.property(steps, (history) => {
        const shelf = new Shelf();
        const all = [0, 1, 2].map(() => {
          const lengths = new OutputLengths();
          return { lengths, shared: lengths.share(), mark: 0 };
        });
        /** Which answers reached the shelf, in order: each has a length of its own. */
        const told: number[] = [];
        let next = 1;
        const seenBy: number[][] = [[], [], []];
        let now = 0;
        for (const step of history) {
          now += 61_000;
          const one = all[step.process]!;
          if (step.do === 'learn') {
            seenBy[step.process]!.push(next);
            one.lengths.learn('m', 'ann', next++);
            continue;
          }
          const news = one.shared.tell(32, now, false);
          if (step.fate === 'down') {
            for (const telling of news) telling.takeBack();
            continue;
          }
          const changes = shelf.exchange(news, one.mark);
          told.push(...seenBy[step.process]!.splice(0).slice(-48));
          if (step.fate === 'reply lost') continue;
          one.mark = changes.mark;
          for (const { name, bytes } of changes.lessons) expect(one.shared.hear(name, bytes)).toBe(true);
        }
        for (const name of ['output1/all', 'output1/model/m', 'output1/identity/1:mann']) {
          expect(lengthsKept(shelf, name)).toEqual(told.slice(-48));
        }
      }),
    );
  });

  test('teach whoever hears them the same, however often and in whatever order it reads', () => {
    const answers = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0.3, max: 4, noNaN: true })),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    holds(
      fc.property(answers, fc.array(fc.nat({ max: 3 }), { maxLength: 12 }), (seen, reads) => {
        const [calibration, lengths] = [new Calibration(), new OutputLengths()];
        const tellers: readonly SharedLearner[] = [calibration.share(), lengths.share()];
        for (const [tokens, ratio] of seen) {
          calibration.learn('m', 'ann', prompt(tokens), Math.fround(tokens * ratio));
          lengths.learn('m', 'ann', tokens);
        }
        const news = tellers.flatMap((teller) => teller.tell(32, 0, false));
        const [once, often] = [[] as string[], [] as string[]];
        const readBy = (order: readonly Telling[], into: string[]): void => {
          const [reader, outputs] = [new Calibration(), new OutputLengths()];
          const learners = [reader.share(), outputs.share()];
          for (const { name, bytes } of order) {
            learners.find((one) => name.startsWith(`${one.name}/`))!.hear(name, bytes);
          }
          into.push(
            `${outputs.expected('m', 'ann')} ${outputs.expected('m', 'bob')} ${outputs.expected('n', 'bob')}`,
            `${reader.estimate('m', 'bob', prompt(1_000))}`,
          );
        };
        readBy(news, once);
        const again = reads.map((at) => news[at % news.length]!);
        readBy([...again, ...news.toReversed(), ...news], often);
        expect(often).toEqual(once);
      }),
    );
  });

  test('teach as if one had seen all of them: the order of processes means nothing to how long answers are', () => {
    const bySize = fc.array(fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 16 }), { maxLength: 3 });
    holds(
      fc.property(bySize, (byProcess) => {
        const expected = (order: readonly (readonly number[])[]): number => {
          const shelf = new Shelf();
          for (const seen of order) {
            const lengths = new OutputLengths();
            const shared = lengths.share();
            for (const length of seen) lengths.learn('m', 'ann', length);
            shelf.exchange(shared.tell(32, 0, false), 0);
          }
          const reader = new OutputLengths();
          const shared = reader.share();
          for (const { name, bytes } of shelf.exchange([], 0).lessons) shared.hear(name, bytes);
          return reader.expected('m', 'ann');
        };
        expect(expected(byProcess.toReversed())).toBe(expected(byProcess));
        expect(expected([byProcess.flat()])).toBe(expected(byProcess));
      }),
    );
  });
});

describe('whatever is kept under whatever name', () => {
  const name = fc.oneof(
    fc.constantFrom(
      ...['input1/model/m', 'input1/identity/1:mann', 'output1/all', 'output1/model/m', 'output1/identity/1:mann'],
      ...['input1/all', 'output1/identity/99:m', 'output1/', 'input1', 'output1/identity/1', 'input1/identity/:'],
    ),
    fc.string({ unit: 'binary' }),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 700 }),
    // Numbers that floats can be, and in numbers that make whole answers.
    fc
      .array(fc.oneof(fc.float(), fc.constantFrom(-1, 0, 1, 1e9, Number.NaN, Number.POSITIVE_INFINITY)), {
        maxLength: 12 * 13,
      })
      .map((floats) => new Uint8Array(Float32Array.from(floats).buffer)),
  );

  test('nothing throws, and no lesson leaves its bounds', () => {
    holds(
      fc.property(fc.array(fc.tuple(name, bytes), { maxLength: 30 }), (kept) => {
        const [calibration, lengths] = [new Calibration(), new OutputLengths()];
        const learners = [calibration.share(), lengths.share()];
        for (const [what, content] of kept) for (const learner of learners) learner.hear(what, content);
        for (const identity of ['ann', 'bob']) {
          const estimate = calibration.estimate('m', identity, prompt(1_000));
          expect(estimate).toBeGreaterThanOrEqual(250);
          expect(estimate).toBeLessThanOrEqual(4_000);
          const expected = lengths.expected('m', identity);
          expect(expected).toBeGreaterThanOrEqual(1);
          expect(expected).toBeLessThanOrEqual(1e7);
        }
      }),
    );
  });
});
