/** A decision is made at one instant, and asks the machine for it once: the clock is the dearest part of a small decision. */
import { describe, expect, test } from 'vitest';
import { createLimiter } from '../../../src/create-limiter.js';
import type { Clock } from '../../../src/kernel/clock.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

/** A clock on which time passes whenever it is read. */
class TickingClock extends VirtualClock implements Clock {
  reads = 0;

  override now(): number {
    this.reads++;
    this.advance(1);
    return super.now();
  }

  override wall(now = this.now()): number {
    return super.wall(now);
  }
}

const six = {
  requests: '60/min',
  tokens: ['100k/hour', '500k/day'],
  concurrency: 5,
  limits: [
    { name: 'chat', match: { operation: 'chat' }, per: ['identity', 'model'], requests: '60/min' },
    { name: 'house', per: 'all', tokens: '1M/min' },
  ],
};

describe('admitNow', () => {
  test.each([
    ['one limit', { requests: '60/min' }],
    ['six limits', six],
  ])('reads the clock once for %s, admitted or refused', (_, policy) => {
    const clock = new TickingClock();
    const limiter = createLimiter(policy, { clock });
    for (const admitted of [true, false]) {
      const input = { tokens: admitted ? 10 : 1_000_000 };
      if (!admitted) for (let i = 0; i < 60; i++) limiter.admitNow({ identity: 'ann', input: { tokens: 0 } });
      clock.reads = 0;
      expect(limiter.admitNow({ identity: 'ann', model: 'm', input }).admitted).toBe(admitted);
      expect(clock.reads).toBe(1);
    }
  });

  test('charges and grants at the same instant: nothing was waited for', () => {
    const limiter = createLimiter({ requests: '60/min' }, { clock: new TickingClock() });
    const waits: number[] = [];
    limiter.on('request-admitted', ({ waitedMs }) => waits.push(waitedMs));
    limiter.on('request-refused', ({ waitedMs }) => waits.push(waitedMs));
    for (let i = 0; i < 61; i++) limiter.admitNow({ identity: 'ann' });
    expect(new Set(waits)).toEqual(new Set([0]));
  });

  test('lets time go on for what follows', () => {
    const clock = new TickingClock();
    const limiter = createLimiter({ requests: '60/min' }, { clock });
    const held: number[] = [];
    limiter.on('permit-released', ({ heldMs }) => held.push(heldMs));
    const decision = limiter.admitNow({ identity: 'ann' });
    clock.advance(500);
    if (decision.admitted) decision.permit.settle();
    expect(held).toEqual([501]);
  });
});
