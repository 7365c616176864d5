import { VirtualClock } from '@headgate/core/testing';
import { expect, test } from 'vitest';
import { Holds } from '../../../src/jobs/holds.js';
import type { JobData } from '../../../src/jobs/job.js';

const job = (id: string, model = 'llama3.2'): JobData => ({
  identity: { id, tier: 'default', weight: 1, priority: 'normal' },
  ...{ path: '/api/chat', body: '{}', model, priority: 'normal', remoteAddress: '127.0.0.1', submittedAt: 0 },
});

test('jobs behind one that was refused come after it, one by one; others are not held', () => {
  const clock = new VirtualClock();
  const holds = new Holds(clock);
  expect(holds.waitMs(job('ann'))).toBe(0);
  expect(holds.refused(job('ann'), 200)).toBe(200);
  expect([1, 2, 3].map(() => holds.waitMs(job('ann')))).toEqual([400, 600, 800]);
  expect([holds.waitMs(job('bob')), holds.waitMs(job('ann', 'mistral'))]).toEqual([0, 0]);
  clock.advance(200);
  expect(holds.waitMs(job('ann'))).toBe(0);
});

test('a long refusal is waited for, and then they come once a second', () => {
  const clock = new VirtualClock();
  const holds = new Holds(clock);
  holds.refused(job('ann'), 1_800_000);
  expect([1, 2].map(() => holds.waitMs(job('ann')))).toEqual([1_801_000, 1_802_000]);
});

test('those that are refused in the same moment come back one by one, and shorten no hold', () => {
  const clock = new VirtualClock();
  const holds = new Holds(clock);
  holds.refused(job('ann'), 1_000);
  expect(holds.refused(job('ann'), 10)).toBe(2_000);
  expect(holds.waitMs(job('ann'))).toBe(3_000);
});
