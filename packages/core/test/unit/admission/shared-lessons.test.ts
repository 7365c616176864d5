/** What learners tell, and make of what they hear. */
import { describe, expect, test } from 'vitest';
import { OutputLengths } from '../../../src/admission/learn.js';
import type { SharedLearner, Telling } from '../../../src/admission/shared-lessons.js';

const minuteMs = 60_000;

function learner(): { lengths: OutputLengths; shared: SharedLearner } {
  const lengths = new OutputLengths();
  return { lengths, shared: lengths.share() };
}

function teach({ lengths }: ReturnType<typeof learner>, identity: string, times: number, outputTokens = 100): void {
  for (let i = 0; i < times; i++) lengths.learn('m', identity, outputTokens);
}

const names = (telling: readonly Telling[]): string[] => telling.map(({ name }) => name);
/** So many answers of one length, as they are kept. */
const kept = (times: number, outputTokens: number): Uint8Array =>
  new Uint8Array(Uint32Array.from({ length: times }, () => outputTokens).buffer);

describe('what a process tells', () => {
  test('is told once, the widest lessons first, and as many as are asked for', () => {
    const one = learner();
    for (const identity of ['ann', 'bob', 'cid']) teach(one, identity, 1);
    expect(names(one.shared.tell(3, 0, false))).toEqual(['output1/model/m', 'output1/all', 'output1/identity/1:mann']);
    expect(names(one.shared.tell(3, 0, false))).toEqual(['output1/identity/1:mbob', 'output1/identity/1:mcid']);
    expect(one.shared.tell(3, 0, false)).toEqual([]);
  });

  test('is of each lesson no more than is kept of it, the newest', () => {
    const one = learner();
    for (let length = 1; length <= 1_000; length++) one.lengths.learn('m', 'ann', length);
    const [telling] = one.shared.tell(1, 0, false);
    expect([telling!.bytes.length, telling!.bytesMax]).toEqual([4 * 48, 4 * 48]);
    expect(new DataView(telling!.bytes.buffer).getUint32(4 * 47, true)).toBe(1_000);
  });

  test('of a lesson that others know well enough is told once a minute, and whenever there is no other time', () => {
    const one = learner();
    teach(one, 'ann', 48);
    expect(one.shared.tell(9, 0, false)).toHaveLength(3);
    teach(one, 'ann', 1);
    expect(one.shared.tell(9, minuteMs - 1, false)).toEqual([]);
    expect(one.shared.tell(9, minuteMs, false)).toHaveLength(3);
    teach(one, 'ann', 1);
    expect(one.shared.tell(9, minuteMs + 1, true)).toHaveLength(3);
  });

  test('is told with what came after it when it was taken back', () => {
    const one = learner();
    for (const length of [1, 2]) one.lengths.learn('m', 'ann', length);
    for (const telling of one.shared.tell(9, 0, false)) telling.takeBack();
    one.lengths.learn('m', 'ann', 3);
    const [telling] = one.shared.tell(9, 0, false);
    expect([...new Uint32Array(telling!.bytes.buffer)]).toEqual([1, 2, 3]);
  });

  test('is bounded: so many lessons have something to tell at a time, and no name is of any length', () => {
    const one = learner();
    for (let i = 0; i < 10_000; i++) teach(one, `flood ${i}`, 1);
    teach(one, 'x'.repeat(10_000), 1);
    const told = names(one.shared.tell(100_000, 0, true));
    expect(told).toHaveLength(4_096);
    teach(one, 'after the flood', 1);
    expect(names(one.shared.tell(9, 0, true))).toContain('output1/identity/1:mafter the flood');
    expect(Math.max(...told.map(({ length }) => length))).toBeLessThan(600);
  });

  test('of a model is told beside any number of identities', () => {
    const one = learner();
    for (let i = 0; i < 10_000; i++) {
      teach(one, `flood ${i}`, 1);
      if (i === 5_000) expect(names(one.shared.tell(2, 0, true))).toEqual(['output1/model/m', 'output1/all']);
    }
    expect(names(one.shared.tell(2, 0, true))).toEqual(['output1/model/m', 'output1/all']);
  });
});

describe('what a process hears', () => {
  test('stands in until it has seen enough itself', () => {
    const one = learner();
    expect(one.shared.hear('output1/identity/1:mann', kept(48, 900))).toBe(true);
    expect(one.lengths.expected('m', 'ann')).toBe(900);
    teach(one, 'ann', 19, 900);
    one.shared.hear('output1/identity/1:mann', kept(48, 30));
    expect(one.lengths.expected('m', 'ann')).toBe(900);
    teach(one, 'ann', 1, 900);
    one.shared.hear('output1/identity/1:mann', kept(48, 30));
    expect(one.lengths.expected('m', 'ann')).toBeGreaterThan(700);
  });

  test('comes beside what it has seen and not told yet', () => {
    const one = learner();
    teach(one, 'ann', 5, 1_000);
    one.shared.hear('output1/identity/1:mann', kept(20, 10));
    // The 23rd of 25.
    expect(one.lengths.expected('m', 'ann')).toBe(1_000);
  });

  test('is no more once the store has forgotten: who knows more keeps that', () => {
    const one = learner();
    one.shared.hear('output1/identity/1:mann', kept(48, 900));
    one.shared.hear('output1/identity/1:mann', kept(1, 3));
    expect(one.lengths.expected('m', 'ann')).toBe(900);
  });

  test('of one width leaves the others as they are', () => {
    const one = learner();
    one.shared.hear('output1/model/m', kept(48, 700));
    one.shared.hear('output1/identity/1:mann', kept(48, 900));
    expect(['ann', 'bob'].map((identity) => one.lengths.expected('m', identity))).toEqual([900, 700]);
    expect([one.lengths.expected('n', 'ann'), one.lengths.isGuess('n', 'ann')]).toEqual([256, true]);
    one.shared.hear('output1/all', kept(10, 50));
    expect([one.lengths.expected('n', 'ann'), one.lengths.isGuess('n', 'ann')]).toEqual([50, false]);
  });

  test('does not take one pair of names for another', () => {
    const one = learner();
    one.lengths.learn('a', 'bc', 1);
    one.lengths.learn('ab', 'c', 1);
    const told = names(one.shared.tell(9, 0, false)).filter((name) => name.includes('identity'));
    expect(told).toEqual(['output1/identity/1:abc', 'output1/identity/2:abc']);
    const other = learner();
    other.shared.hear(told[0]!, kept(48, 900));
    expect(other.lengths.expected('a', 'bc')).toBe(900);
    expect(other.lengths.expected('ab', 'c')).toBe(256);
  });
});
