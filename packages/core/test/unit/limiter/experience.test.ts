import { describe, expect, test } from 'vitest';
import type { AdmitRequest } from '../../../src/model.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { world } from '../../support/fixtures.js';

const policy = { tokens: '1M/hour' };
const text = 'The quick brown fox jumps over the lazy dog. '.repeat(20);

function admitted(limiter: ReturnType<typeof world>['limiter'], request: AdmitRequest): Permit {
  const decision = limiter.admitNow(request);
  if (!decision.admitted) throw new Error(decision.refusal.message);
  return decision.permit;
}

/** What is set aside for the request; nothing is charged for asking. */
function reserved(limiter: ReturnType<typeof world>['limiter'], request: AdmitRequest) {
  const permit = admitted(limiter, request);
  permit.cancel();
  return permit.reserved;
}

function answer(limiter: ReturnType<typeof world>['limiter'], request: AdmitRequest, usage: object, times = 60): void {
  for (let i = 0; i < times; i++) admitted(limiter, request).settle(usage);
}

describe('what answers teach the limiter', () => {
  const ann = { identity: 'ann', model: 'm', input: text };

  test('how their model counts a prompt, for the same and for other identities', () => {
    const { limiter } = world(policy);
    const estimate = reserved(limiter, ann).inputTokens;
    answer(limiter, ann, { inputTokens: 2 * estimate, outputTokens: 10 });
    expect(reserved(limiter, ann).inputTokens / estimate).toBeCloseTo(2, 1);
    expect(reserved(limiter, { ...ann, identity: 'bob' }).inputTokens / estimate).toBeCloseTo(2, 1);
    expect(reserved(limiter, { ...ann, model: 'M:latest' }).inputTokens / estimate).toBeCloseTo(2, 1);
  });

  test('nothing about a prompt whose size the caller knows', () => {
    const { limiter } = world(policy);
    const known = { ...ann, input: { tokens: 100 } };
    answer(limiter, known, { inputTokens: 300, outputTokens: 10 });
    expect(reserved(limiter, known).inputTokens).toBe(100);
  });

  test('nothing about prompts when the backend did not count them, or counted none', () => {
    const { limiter } = world(policy);
    answer(limiter, ann, { inputTokens: Math.round(1.3 * reserved(limiter, ann).inputTokens) });
    const before = reserved(limiter, ann).inputTokens;
    // Short, so that the estimate is rounded up by much.
    const short = { ...ann, input: 'hi' };
    for (const usage of [{ outputTokens: 10 }, { inputTokens: 0, outputTokens: 10 }, {}]) answer(limiter, short, usage);
    expect(reserved(limiter, ann).inputTokens).toBe(before);
  });

  test('how long answers to an identity are', () => {
    const { limiter } = world(policy);
    expect(reserved(limiter, ann).outputTokens).toBe(256);
    answer(limiter, ann, { outputTokens: 40 }, 800);
    expect(reserved(limiter, ann).outputTokens).toBeLessThan(60);
    answer(limiter, { ...ann, identity: 'bob' }, { outputTokens: 900 }, 200);
    expect(reserved(limiter, { ...ann, identity: 'bob' }).outputTokens).toBeGreaterThan(600);
    expect(reserved(limiter, ann).outputTokens).toBeLessThan(60);
  });

  test('a prompt over the size allowed by the estimate passes once its model is known to count less', () => {
    const { limiter } = world({ input: 100, tokens: '1M/hour' });
    const digits = { identity: 'ann', model: 'm', input: '31415926535897932384'.repeat(3) };
    answer(limiter, digits, { inputTokens: 24, outputTokens: 1 });
    const longer = { ...digits, input: '31415926535897932384'.repeat(6) };
    expect(limiter.admitNow(longer).admitted).toBe(true);
    expect(limiter.admitNow({ ...longer, model: 'other' }).admitted).toBe(false);
  });
});

describe('a counter of tokens', () => {
  test('is asked only where a limit needs to know', () => {
    let asked = 0;
    const countTokens = (counted: string): number => {
      asked += 1;
      return counted.length;
    };
    world({ requests: '10/min' }, { countTokens }).limiter.admitNow({ input: text });
    expect(asked).toBe(0);
    const { limiter } = world(policy, { countTokens });
    expect(reserved(limiter, { input: text }).inputTokens).toBe(text.length);
    expect(asked).toBe(1);
  });

  test('is closed with the limiter, after the last permit has ended', async () => {
    const closed: number[] = [];
    const countTokens = Object.assign(() => 1, { close: () => void closed.push(limiter.stats().inFlight) });
    const { limiter } = world(policy, { countTokens });
    const permit = admitted(limiter, { input: text });
    const closing = limiter.close();
    expect(closed).toEqual([]);
    permit.settle();
    await closing;
    expect(closed).toEqual([0]);
  });
});
