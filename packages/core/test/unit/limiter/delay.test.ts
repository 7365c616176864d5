import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import { settled, type VirtualClock } from '../../../src/testing/virtual-clock.js';
import { minute, second, world } from '../../support/fixtures.js';
import { type Visit, visit } from '../../support/timeline.js';

/** Five requests at once: when each of them was let through, seconds, or why not. */
async function burst(clock: VirtualClock, limiter: Limiter, count = 5): Promise<(number | string)[]> {
  const answers: (number | string)[] = new Array(count).fill('waiting');
  const visits: Visit[] = [];
  const start = clock.now();
  for (let i = 0; i < count; i++) {
    const one = visit(limiter, 'ann');
    visits.push(one);
    void one.ended.then(() => {
      if (one.state === 'admitted') answers[i] = Math.round(clock.now() - start) / second;
      else answers[i] = `${one.refusal.reason} ${one.refusal.retryAfterMs}`;
    });
  }
  await clock.run(2 * minute);
  return answers;
}

describe('waiting for a turn', () => {
  test.each<[string, object, (number | string)[]]>([
    ["nginx's `burst=3` spreads what it holds", { requests: '10r/m burst=3' }, [0, 6, 12, 18, 'limit 6000']],
    [
      "nginx's `delay=2` lets three through, since it does not count a request as its own excess",
      { requests: '10r/m burst=3 delay=2' },
      [0, 0, 0, 6, 'limit 6000'],
    ],
    [
      "nginx's `nodelay` lets all through that it holds",
      { requests: '10r/m burst=3 nodelay' },
      [0, 0, 0, 0, 'limit 6000'],
    ],
    ["nginx's bare rate holds one", { requests: '10r/m' }, [0, 'limit 6000', 'limit 6000', 'limit 6000', 'limit 6000']],
    [
      '`delay: true` lets one through at once',
      { requests: [{ limit: 10, per: 'min', burst: 4, delay: true }] },
      [0, 6, 12, 18, 'limit 6000'],
    ],
    [
      '`delay: { after: 2 }` lets two through at once',
      { requests: [{ limit: 10, per: 'min', burst: 4, delay: { after: 2 } }] },
      [0, 0, 6, 12, 'limit 6000'],
    ],
  ])('%s', async (_, policy, expected) => {
    const { clock, limiter } = world(policy);
    expect(await burst(clock, limiter)).toEqual(expected);
  });

  test('the longest of several delays holds', async () => {
    const { clock, limiter } = world({
      requests: [{ limit: 10, per: 'min', burst: 4, delay: true }],
      limits: [{ name: 'slower', requests: '4/min burst 4', delay: true }],
    });
    expect(await burst(clock, limiter, 3)).toEqual([0, 15, 30]);
  });

  test('after an idle time the next one passes at once again', async () => {
    const { clock, limiter } = world({ requests: '10r/m burst=3' });
    await burst(clock, limiter, 2);
    expect(await burst(clock, limiter, 2)).toEqual([0, 6]);
  });

  test('a turn further away than requests may wait is refused 503 and charged nothing; the instant it names is true', async () => {
    const { clock, limiter } = world({ requests: '10r/m burst=9', queue: { wait: '10s' } });
    const early = [visit(limiter, 'ann'), visit(limiter, 'ann')];
    await settled();
    const before = limiter.peekNow({ identity: 'ann' });
    const far = visit(limiter, 'ann');
    await settled();
    expect(far.refusal).toMatchObject({ reason: 'queue-timeout', status: 503, retryAfterMs: 2 * second });
    expect(limiter.peekNow({ identity: 'ann' })).toEqual(before);
    await clock.run(2 * second - 1);
    const tooEarly = visit(limiter, 'ann');
    await settled();
    expect(tooEarly.state).toBe('refused');
    await clock.run(1);
    const inTime = visit(limiter, 'ann');
    await settled();
    expect(inTime.state).toBe('waiting');
    await clock.run(10 * second);
    expect([...early, inTime].map(({ state }) => state)).toEqual(['admitted', 'admitted', 'admitted']);
  });

  test.each([0, 1, 2, 3, 4, 5])(
    'who leaves %i microtasks after arriving is charged nothing and leaves no timer',
    async (microtasks) => {
      const { clock, limiter } = world({ requests: '10r/m burst=3' });
      visit(limiter, 'ann');
      await settled();
      const before = limiter.peekNow({ identity: 'ann' });
      const leaver = visit(limiter, 'ann');
      for (let i = 0; i < microtasks; i++) await Promise.resolve();
      leaver.leave();
      await settled();
      expect(leaver.state).toBe('left');
      expect(clock.timers).toBe(0);
      expect(limiter.peekNow({ identity: 'ann' })).toEqual(before);
      expect(limiter.stats()).toMatchObject({ open: 1, waiting: 0 });
    },
  );

  test('slots are taken after the turn has come, not while waiting for it', async () => {
    const { clock, limiter } = world({ requests: '10r/m burst=3', backends: ['http://one'] });
    const first = visit(limiter, 'ann');
    await settled();
    const delayed = visit(limiter, 'ann');
    await settled();
    first.permit.settle();
    const other = visit(limiter, 'bob');
    await settled();
    expect([delayed.state, other.state]).toEqual(['waiting', 'admitted']);
    await clock.run(6 * second);
    expect(delayed.state).toBe('waiting');
    other.permit.settle();
    await settled();
    expect(delayed.state).toBe('admitted');
  });

  test('the wait for a turn and the wait for a slot are together no longer than requests wait', async () => {
    const { clock, limiter } = world({ requests: '10r/m burst=3', backends: ['http://one'], queue: { wait: '10s' } });
    visit(limiter, 'ann');
    await settled();
    const delayed = visit(limiter, 'ann');
    await clock.run(10 * second - 1);
    expect(delayed.state).toBe('waiting');
    await clock.run(1);
    expect(delayed.refusal.reason).toBe('queue-timeout');
  });

  test('who waits for a turn is counted as waiting', async () => {
    const { limiter } = world({ requests: '10r/m burst=3' });
    for (let i = 0; i < 3; i++) visit(limiter, 'ann');
    await settled();
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 2, open: 3 });
  });

  test('admitNow never waits: it says when the turn comes, charges nothing until then, and is right', () => {
    for (const [limit, per] of [
      [10, 'min'],
      [7, '13s'],
      [9, '70s'],
      [3, 's'],
      [11, '7s'],
      [13, '17min'],
    ] as const) {
      const { clock, limiter } = world({ requests: [{ limit, per, burst: 3, delay: true }] });
      expect(limiter.admitNow({ identity: 'ann' }).admitted).toBe(true);
      for (let i = 0; i < 500; i++) {
        clock.advance((i * 37) % 101);
        const answer = limiter.admitNow({ identity: 'ann' });
        if (answer.admitted) throw new Error('let through before its turn');
        clock.advance(answer.refusal.retryAfterMs! - 1);
        expect(limiter.admitNow({ identity: 'ann' }).admitted).toBe(false);
        clock.advance(1);
        expect(limiter.admitNow({ identity: 'ann' }).admitted).toBe(true);
      }
    }
  });
});
