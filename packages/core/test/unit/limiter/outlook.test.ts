import { describe, expect, test } from 'vitest';
import { retryHeaders } from '../../../src/http/headers.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { second, world } from '../../support/fixtures.js';
import { visit } from '../../support/timeline.js';

describe('what the queue says of itself', () => {
  test('is how many wait by priority, how long the oldest has, and how fast it drains', async () => {
    const { clock, limiter } = world({ backends: ['http://one'], queue: { depth: 9, wait: '60s' } });
    expect(limiter.stats().queue).toEqual({ waiting: { high: 0, normal: 0, low: 0 }, oldestMs: 0 });
    let running = visit(limiter, 'first');
    await settled();
    const waiting = (['high', 'high', 'low'] as const).map((priority, i) => {
      return visit(limiter, `${priority} ${i}`, { identity: { id: `${priority} ${i}`, priority } });
    });
    await clock.run(3 * second);
    expect(limiter.stats().queue).toEqual({ waiting: { high: 2, normal: 0, low: 1 }, oldestMs: 3 * second });
    running.permit.settle();
    await settled();
    running = waiting.find(({ state }) => state === 'admitted')!;
    expect(running).toBeDefined();
    expect(limiter.stats().queue.intervalMs).toBe(3 * second);
  });

  test('is in a refusal, and its wait is the place times how fast the line drained lately', async () => {
    const { clock, limiter } = world({ backends: ['http://one'], queue: { depth: 3, wait: '600s', fairness: 'none' } });
    const visits = [visit(limiter, 'v0')];
    await settled();
    for (let i = 1; i <= 6; i++) {
      visits.push(visit(limiter, `v${i}`));
      await clock.run(4 * second);
      visits
        .find(({ state, decision }) => state === 'admitted' && decision?.admitted && !decision.permit.ended)!
        .permit.settle();
      await settled();
    }
    for (let i = 7; i <= 9; i++) visits.push(visit(limiter, `v${i}`));
    await settled();
    const full = visit(limiter, 'late');
    await settled();
    expect(full.refusal).toMatchObject({ reason: 'queue-full', retryAfterMs: 16 * second });
    expect(full.refusal.queue).toEqual({ position: 4, waitMs: 16 * second });
    expect(retryHeaders(full.refusal)).toMatchObject({
      'retry-after': '16',
      'x-headgate-queue-position': '4',
      'x-headgate-queue-wait-ms': '16000',
    });
  });

  test('is a guess by how many run where nothing has drained yet and no backend is named', async () => {
    const { limiter } = world({ limits: [{ concurrency: 4, per: 'all' }] });
    for (let i = 0; i < 4; i++) expect(limiter.admitNow({ identity: `running ${i}` }).admitted).toBe(true);
    expect(limiter.admitNow({ identity: 'late' })).toMatchObject({
      refusal: { reason: 'concurrency', queue: { position: 1, waitMs: 1250 } },
    });
  });

  test('is honest to a quiet identity: behind a flood its place is counted by what is served in turn', async () => {
    const { limiter } = world({ backends: ['http://one'], queue: { depth: 50, wait: '60s' } });
    for (let i = 0; i < 40; i++) visit(limiter, 'flood');
    await settled();
    const refused = (id: string) => {
      const decision = limiter.admitNow({ identity: id });
      return decision.admitted ? undefined : decision.refusal.queue?.position;
    };
    expect([refused('flood'), refused('quiet')]).toEqual([40, 2]);
  });

  test('is not in a refusal that no slot would lift', async () => {
    const { limiter } = world({ requests: '1/min burst 1', backends: ['http://one'] });
    limiter.admitNow({ identity: 'ann' });
    const decision = limiter.admitNow({ identity: 'ann' });
    expect(decision.admitted).toBe(false);
    if (!decision.admitted) expect(retryHeaders(decision.refusal)).not.toHaveProperty('x-headgate-queue-position');
  });
});
