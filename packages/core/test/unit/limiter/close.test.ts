import { describe, expect, test } from 'vitest';
import { settled } from '../../../src/testing/virtual-clock.js';
import { second, world } from '../../support/fixtures.js';
import { visit } from '../../support/timeline.js';

const oneSlot = { backends: ['http://one'], queue: { depth: 5, wait: '30s' }, drain: '20s' };

/** Whether the promise has settled by now. */
function watch(promise: Promise<void>): { done: boolean } {
  const state = { done: false };
  void promise.then(() => {
    state.done = true;
  });
  return state;
}

describe('closing', () => {
  test('refuses newcomers and who waits, and ends when the last running request does', async () => {
    const { limiter } = world(oneSlot);
    const running = visit(limiter, 'running');
    await settled();
    const waiting = visit(limiter, 'waiting');
    await settled();
    const closed = watch(limiter.close());
    expect(limiter.closing).toBe(true);
    const late = visit(limiter, 'late');
    await settled();
    for (const { refusal } of [waiting, late]) {
      expect(refusal).toMatchObject({ reason: 'draining', status: 503 });
      expect(refusal.retryAfterMs).toBeGreaterThan(0);
    }
    expect(limiter.admitNow({}).admitted).toBe(false);
    expect(closed.done).toBe(false);
    running.permit.settle();
    await settled();
    expect(closed.done).toBe(true);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  });

  test('tells running work to stop after the drain time, and not before', async () => {
    const { clock, limiter } = world(oneSlot);
    const running = visit(limiter, 'running');
    await settled();
    const { signal } = running.permit;
    const closed = watch(limiter.close());
    await clock.run(20 * second - 1);
    expect([signal.aborted, closed.done]).toEqual([false, false]);
    await clock.run(1);
    expect([signal.aborted, closed.done]).toEqual([true, true]);
    expect(signal.reason).toMatchObject({ code: 'HG_CLOSED' });
  });

  test('work that looks at its signal only after the drain time finds it aborted', async () => {
    const { clock, limiter } = world(oneSlot);
    const running = visit(limiter, 'running');
    await settled();
    void limiter.close();
    await clock.run(20 * second);
    expect(running.permit.signal.aborted).toBe(true);
  });

  test('with nothing running ends at once, and twice is once', async () => {
    const { clock, limiter } = world(oneSlot);
    const once = limiter.close();
    expect(limiter.close()).toBe(once);
    await once;
    expect(clock.timers).toBe(0);
  });

  test('leaves no timer behind when the last request ends in time', async () => {
    const { clock, limiter } = world(oneSlot);
    const running = visit(limiter, 'running');
    await settled();
    const closed = limiter.close();
    running.permit.cancel();
    await closed;
    expect(clock.timers).toBe(0);
  });

  test('refuses who waits for a turn', async () => {
    const { clock, limiter } = world({ requests: [{ limit: 1, per: '10s', burst: 2, delay: true }] });
    const first = visit(limiter, 'a');
    await settled();
    const delayed = visit(limiter, 'a');
    await settled();
    first.permit.settle();
    const closed = watch(limiter.close());
    await settled();
    expect(delayed.refusal).toMatchObject({ reason: 'draining' });
    expect(closed.done).toBe(true);
    expect(clock.timers).toBe(0);
  });

  test.each([0, 1, 2, 3, 4, 5, 6])(
    '%i microtasks after a request arrived, either refuses it or waits for it',
    async (microtasks) => {
      for (const busy of [false, true]) {
        const { limiter } = world(oneSlot);
        const running = busy ? visit(limiter, 'running') : undefined;
        await settled();
        const arriving = visit(limiter, 'arriving');
        for (let i = 0; i < microtasks; i++) await Promise.resolve();
        const closed = watch(limiter.close());
        await settled();
        if (arriving.state === 'admitted') {
          expect(closed.done).toBe(false);
          arriving.permit.settle();
        } else expect(arriving.refusal.reason).toBe('draining');
        running?.permit.settle();
        await settled();
        expect(closed.done).toBe(true);
        expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0, backends: [{ used: 0 }] });
      }
    },
  );

  test('in the instant of a hand-over waits for who got the slot', async () => {
    const { limiter } = world(oneSlot);
    const running = visit(limiter, 'running');
    await settled();
    const next = visit(limiter, 'next');
    await settled();
    running.permit.settle();
    const closed = watch(limiter.close());
    await settled();
    expect(next.state).toBe('admitted');
    expect(closed.done).toBe(false);
    next.permit.settle();
    await settled();
    expect(closed.done).toBe(true);
  });
});
