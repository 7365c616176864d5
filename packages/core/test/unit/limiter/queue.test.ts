import { describe, expect, test } from 'vitest';
import { settled } from '../../../src/testing/virtual-clock.js';
import { second, world } from '../../support/fixtures.js';
import { journal, visit } from '../../support/timeline.js';

const oneSlot = { backends: ['http://one'], queue: { depth: 2, wait: '10s' } };

describe('waiting for a slot', () => {
  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-320, '2' as unknown as number])(
    'an identity that an application gives the weight %s waits like anyone else, and stops nobody',
    async (weight) => {
      const { limiter } = world({ backends: ['http://one'], queue: { depth: 9, wait: '10s' } });
      const first = visit(limiter, 'first');
      await settled();
      const odd = [1, 2].map(() => visit(limiter, 'odd', { identity: { id: 'odd', weight } }));
      const other = visit(limiter, 'other');
      await settled();
      first.permit.settle();
      await settled();
      odd[0]!.permit.settle();
      await settled();
      expect([...odd, other].map(({ state }) => state)).toEqual(['admitted', 'waiting', 'admitted']);
    },
  );

  test('an identity that an application gives a priority that is none has that of its tier', async () => {
    const { limiter } = world({ backends: ['http://one'], priority: 'low' });
    const identity = { id: 'odd', priority: 'urgent' as 'high' };
    expect(limiter.identity(identity).priority).toBe('low');
    const one = visit(limiter, 'odd', { identity });
    await settled();
    expect(one.state).toBe('admitted');
  });

  test('a freed slot goes to who waited longest, in order, and never to a latecomer', async () => {
    const { limiter } = world(oneSlot);
    const log = journal(limiter, ['request-queued', 'request-admitted', 'permit-released']);
    const first = visit(limiter, 'first');
    await settled();
    const second_ = visit(limiter, 'second');
    const third = visit(limiter, 'third');
    await settled();
    first.permit.settle();
    const late = visit(limiter, 'late');
    await settled();
    expect([second_.state, third.state, late.state]).toEqual(['admitted', 'waiting', 'waiting']);
    second_.permit.settle();
    third.leave();
    await settled();
    expect(log).toEqual([
      'first request-admitted',
      'second request-queued',
      'third request-queued',
      'first permit-released',
      'second request-admitted',
      'late request-queued',
      'second permit-released',
      'third request-admitted',
      'third permit-released',
      'late request-admitted',
    ]);
  });

  test('a latecomer in the very microtasks of the release finds the slot taken', async () => {
    for (let microtasks = 0; microtasks <= 5; microtasks++) {
      const { limiter } = world(oneSlot);
      const first = visit(limiter, 'first');
      await settled();
      const waiter = visit(limiter, 'waiter');
      await settled();
      first.permit.settle();
      for (let i = 0; i < microtasks; i++) await Promise.resolve();
      const late = visit(limiter, 'late');
      await settled();
      expect([waiter.state, late.state]).toEqual(['admitted', 'waiting']);
    }
  });

  test('the room is bounded: past its depth a request is refused at once, and nothing of it is left', async () => {
    const { limiter } = world({ ...oneSlot, requests: '10/min' });
    visit(limiter, 'first');
    await settled();
    const waiting = [visit(limiter, 'a'), visit(limiter, 'b')];
    await settled();
    const before = limiter.peekNow({ identity: 'c' });
    const extra = visit(limiter, 'c');
    await settled();
    expect(waiting.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
    expect(extra.refusal).toMatchObject({ reason: 'queue-full', status: 503 });
    expect(extra.refusal.retryAfterMs).toBeGreaterThanOrEqual(second);
    expect(limiter.peekNow({ identity: 'c' })).toEqual(before);
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 2 });
  });

  test('who waits past the deadline is refused 503, pays nothing, and not a millisecond before', async () => {
    const { clock, limiter } = world({ ...oneSlot, requests: '10/min' });
    visit(limiter, 'first');
    await settled();
    const waiter = visit(limiter, 'waiter');
    await clock.run(10 * second - 1);
    expect(waiter.state).toBe('waiting');
    expect(limiter.peekNow({ identity: 'waiter' })[0]?.remaining).toBe(10);
    await clock.run(1);
    expect(waiter.refusal).toMatchObject({ reason: 'queue-timeout', status: 503 });
    expect(limiter.peekNow({ identity: 'waiter' })[0]?.remaining).toBe(10);
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, open: 1 });
  });

  test('who leaves while waiting is forgotten at once, and its charge is taken back', async () => {
    const { clock, limiter } = world({ ...oneSlot, requests: '10/min' });
    const log = journal(limiter, ['waiter-left', 'request-refused', 'request-admitted']);
    visit(limiter, 'first');
    await settled();
    const waiter = visit(limiter, 'waiter');
    await settled();
    waiter.leave();
    expect(limiter.stats()).toMatchObject({ waiting: 0, open: 1 });
    await settled();
    expect(waiter.error).toEqual(new Error('the client left'));
    expect(limiter.peekNow({ identity: 'waiter' })[0]?.remaining).toBe(10);
    expect(clock.timers).toBe(0);
    expect(log).toEqual(['first request-admitted', 'waiter waiter-left']);
  });

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'who leaves %i microtasks after arriving holds and pays nothing (F3)',
    async (microtasks) => {
      const { clock, limiter } = world({ ...oneSlot, requests: '10/min' });
      for (const busy of [false, true]) {
        const first = busy ? visit(limiter, 'first') : undefined;
        await settled();
        const leaver = visit(limiter, 'leaver');
        for (let i = 0; i < microtasks; i++) await Promise.resolve();
        leaver.leave();
        await settled();
        if (leaver.state === 'admitted') leaver.permit.cancel();
        else expect(leaver.state).toBe('left');
        first?.permit.cancel();
        expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0, backends: [{ used: 0 }] });
        expect(limiter.peekNow({ identity: 'leaver' })[0]?.remaining).toBe(10);
        expect(clock.timers).toBe(0);
      }
    },
  );

  test('who leaves in the instant of the hand-over passes the slot on', async () => {
    const { limiter } = world(oneSlot);
    const first = visit(limiter, 'first');
    await settled();
    const leaver = visit(limiter, 'leaver');
    const next = visit(limiter, 'next');
    await settled();
    first.permit.settle();
    leaver.leave();
    await settled();
    expect([leaver.state, next.state]).toEqual(['left', 'admitted']);
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, backends: [{ used: 1 }] });
  });

  test('a request that had left before it was sent is not looked at', async () => {
    const { limiter } = world(oneSlot);
    await expect(limiter.admit({ identity: 'a' }, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow(
      'gone',
    );
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, keys: 0 });
  });

  test('a busy model does not hold up another one', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', models: ['big'] },
        { url: 'http://b', name: 'b', models: ['small'] },
      ],
    });
    const running = visit(limiter, 'x', { model: 'big' });
    await settled();
    const queued = visit(limiter, 'y', { model: 'big' });
    await settled();
    const other = visit(limiter, 'z', { model: 'small' });
    await settled();
    expect([running.state, queued.state, other.state]).toEqual(['admitted', 'waiting', 'admitted']);
    expect(other.backend).toBe('b');
  });

  test('a listener that ends a request while another is being queued lets that one through', async () => {
    const { limiter } = world(oneSlot);
    const first = visit(limiter, 'first');
    await settled();
    limiter.on('request-queued', () => first.permit.settle());
    const next = visit(limiter, 'next');
    await settled();
    expect(next.state).toBe('admitted');
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, backends: [{ used: 1 }] });
  });

  test.each(['leaves', 'is told of closing'])(
    'who %s while being told of the hand-over loses no slot',
    async (what) => {
      const { clock, limiter } = world(oneSlot);
      const first = visit(limiter, 'first');
      await settled();
      const next = visit(limiter, 'next');
      await settled();
      limiter.on('request-admitted', () => {
        if (what === 'leaves') next.leave();
        else void limiter.close();
      });
      first.permit.settle();
      await settled();
      if (what === 'leaves') expect(next.state).toBe('left');
      else next.permit.settle();
      expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0, backends: [{ used: 0 }] });
      await limiter.close();
      expect(clock.timers).toBe(0);
    },
  );

  test('a listener that asks for a slot while it is being freed comes after those who wait', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a' },
        { url: 'http://b', name: 'b', models: ['small'] },
      ],
    });
    const big = visit(limiter, 'big', { model: 'big' });
    const small = visit(limiter, 'small', { model: 'small' });
    await settled();
    const waiter = visit(limiter, 'waiter', { model: 'big' });
    await settled();
    const answers: boolean[] = [];
    for (const name of ['reservation-settled', 'permit-released'] as const) {
      limiter.on(name, () => answers.push(limiter.admitNow({ identity: 'sneaky', model: 'small' }).admitted));
    }
    big.permit.settle();
    await settled();
    expect(answers).toEqual([false, false]);
    expect([waiter.state, small.state]).toEqual(['admitted', 'admitted']);
  });
});
