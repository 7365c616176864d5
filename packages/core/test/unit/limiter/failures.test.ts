/** Wrong credentials: counted, blocked past a limit for longer each time, and never at the expense of right ones. */
import { describe, expect, test } from 'vitest';
import { Limiter } from '../../../src/limiter.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { day, hour, minute, second, world } from '../../support/fixtures.js';
import { LaterStore } from '../../support/later-store.js';

const guessing = { name: 'guessing', per: 'address', failures: '5/min', block: '15min' };
const here = '203.0.113.7';

const fail = (limiter: Limiter, address = here, more: object = {}) => limiter.countFailure({ address, ...more });

async function failTimes(limiter: Limiter, times: number, address = here): Promise<(number | undefined)[]> {
  const waits: (number | undefined)[] = [];
  for (let i = 0; i < times; i++) waits.push((await fail(limiter, address))?.retryAfterMs);
  return waits;
}

describe('a limit on failures', () => {
  test('answers the sixth wrong key in a minute with 429 for a quarter of an hour', async () => {
    const { limiter } = world({ limits: [guessing] });
    expect(await failTimes(limiter, 5)).toEqual(Array(5).fill(undefined));
    expect(await fail(limiter)).toEqual({
      reason: 'blocked',
      status: 429,
      limit: 'guessing',
      measure: 'failures',
      retryAfterMs: 15 * minute,
      message:
        'too many wrong keys from 203.0.113.7: 5 failures per minute (rolling), then blocked for 15 minutes, longer each time (limit guessing); please try again in 15min.',
    });
  });

  test('keeps its instant (I7), and is not made longer by asking again (I2)', async () => {
    const { clock, limiter } = world({ limits: [guessing] });
    await failTimes(limiter, 6);
    clock.advance(10 * minute);
    expect(await failTimes(limiter, 200)).toEqual(Array(200).fill(5 * minute));
    clock.advance(5 * minute - 1);
    expect(await fail(limiter)).toMatchObject({ retryAfterMs: 1 });
    clock.advance(1);
    expect(await failTimes(limiter, 5)).toEqual(Array(5).fill(undefined));
  });

  test('is one for each address', async () => {
    const { limiter } = world({ limits: [guessing] });
    await failTimes(limiter, 6);
    expect(await fail(limiter, '203.0.113.8')).toBeUndefined();
    expect(await fail(limiter)).toMatchObject({ reason: 'blocked' });
  });

  test('forgets what was a minute ago', async () => {
    const { clock, limiter } = world({ limits: [guessing] });
    for (let i = 0; i < 20; i++) {
      expect(await fail(limiter)).toBeUndefined();
      clock.advance(15 * second);
    }
  });

  test('without `block` answers 429 for as long as it has no room', async () => {
    const { clock, limiter } = world({ limits: [{ per: 'address', failures: '2/min' }] });
    expect(await failTimes(limiter, 3)).toEqual([undefined, undefined, 61 * second]);
    clock.advance(61 * second);
    expect(await fail(limiter)).toBeUndefined();
  });

  test('over all addresses counts them together', async () => {
    const { limiter } = world({ limits: [{ per: 'all', failures: '2/min', block: '1min' }] });
    for (const address of ['192.0.2.1', '192.0.2.2']) expect(await fail(limiter, address)).toBeUndefined();
    expect((await fail(limiter, '192.0.2.3'))?.message).toMatch(/^too many wrong keys: 2 failures/);
  });

  test('costs requests nothing: their limits do not see it, and right keys pass', async () => {
    const { limiter } = world({ limits: [guessing], requests: '3/min' });
    await failTimes(limiter, 50);
    expect(limiter.admitNow({ identity: 'ann', address: here }).admitted).toBe(true);
    expect(limiter.peekNow({ identity: 'ann', address: here }).map(({ name }) => name)).toEqual(['requests.min']);
  });

  test('holds on the paths that it matches', async () => {
    const { limiter } = world({ limits: [{ ...guessing, match: { path: '/v1/*' }, failures: '1/min' }] });
    for (const path of ['/api/chat', '/api/chat', '/v1/messages']) {
      expect(await fail(limiter, here, { path, method: 'POST' })).toBeUndefined();
    }
    expect(await fail(limiter, here, { path: '/v1/models', method: 'GET' })).toMatchObject({ reason: 'blocked' });
  });
});

describe('a block that comes again', () => {
  async function blockMs(limiter: Limiter): Promise<number> {
    for (;;) {
      const refusal = await fail(limiter);
      if (refusal !== undefined) return refusal.retryAfterMs!;
    }
  }

  test('is twice as long each time, up to a day', async () => {
    const { clock, limiter } = world({ limits: [guessing] });
    const lengths: number[] = [];
    for (let i = 0; i < 10; i++) {
      const lastsMs = await blockMs(limiter);
      lengths.push(lastsMs / minute);
      clock.advance(lastsMs);
    }
    expect(lengths).toEqual([15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]);
  });

  test('is shorter again by a doubling for each day without one', async () => {
    const { clock, limiter } = world({ limits: [guessing] });
    for (let i = 0; i < 4; i++) clock.advance(await blockMs(limiter));
    clock.advance(2 * day);
    expect(await blockMs(limiter)).toBe(60 * minute);
    clock.advance(30 * day);
    expect(await blockMs(limiter)).toBe(15 * minute);
  });

  test('that begins longer than a day is as long as it says', async () => {
    const { clock, limiter } = world({ limits: [{ ...guessing, block: '3d' }] });
    for (let i = 0; i < 3; i++) {
      const lastsMs = await blockMs(limiter);
      expect(lastsMs).toBe(3 * day);
      clock.advance(lastsMs);
    }
  });
});

describe('in shadow mode', () => {
  test('refuses nobody, and tells each one that it would have', async () => {
    const { clock, limiter } = world({ limits: [{ ...guessing, mode: 'shadow' }] });
    const told: string[] = [];
    limiter.on('request-would-refuse', ({ identity, reason, limit, retryAfterMs }) =>
      told.push(`${identity.id} ${reason} by ${limit} for ${retryAfterMs}`),
    );
    expect(await failTimes(limiter, 6)).toEqual(Array(6).fill(undefined));
    clock.advance(hour / 12);
    expect(await fail(limiter)).toBeUndefined();
    expect(told).toEqual([
      `address:${here} blocked by guessing for ${15 * minute}`,
      `address:${here} blocked by guessing for ${10 * minute}`,
    ]);
  });
});

test('several limits are charged together or not at all, and the longest block is told', async () => {
  const { limiter } = world({
    limits: [guessing, { name: 'everywhere', per: 'all', failures: '2/min', block: '1h' }],
  });
  expect(await failTimes(limiter, 3)).toEqual([undefined, undefined, hour]);
  expect(await fail(limiter, '198.51.100.1')).toMatchObject({ limit: 'everywhere', retryAfterMs: hour });
});

test('an alert is raised at the share that the limit asks for', async () => {
  const { limiter } = world({ limits: [{ ...guessing, alertAt: 0.6 }] });
  const alerts: string[] = [];
  limiter.on('limit-alert', ({ limit, subject, share }) => alerts.push(`${limit} of ${subject} at ${share}`));
  await failTimes(limiter, 4);
  expect(alerts).toEqual([`guessing of ${here} at 0.6`]);
  await limiter.reload({ limits: [{ ...guessing, failures: '10/min', alertAt: 0.9 }] });
  await failTimes(limiter, 5, '203.0.113.8');
  expect(alerts).toHaveLength(1);
  await failTimes(limiter, 4, '203.0.113.8');
  expect(alerts[1]).toBe('guessing of 203.0.113.8 at 0.9');
});

describe('without its shared store', () => {
  function alone(onDown: string, peers = 1, limit: object = guessing): { limiter: Limiter; store: LaterStore } {
    const clock = new VirtualClock();
    const store = new LaterStore(clock);
    store.peers = { count: peers, rank: 0 };
    const policy = { store: { redis: 'redis://127.0.0.1', onDown }, limits: [limit] };
    return { limiter: new Limiter(parsePolicy(policy), { clock, store }), store };
  }

  test('with `closed` a wrong key is refused until it can be counted again', async () => {
    const { limiter, store } = alone('closed');
    store.weather = 'gone';
    for (let i = 0; i < 8; i++) {
      expect(await fail(limiter)).toMatchObject({ reason: 'store-down', status: 503, retryAfterMs: second });
    }
  });

  test('with `open` none is counted, and the answer is the ordinary one', async () => {
    const { limiter, store } = alone('open');
    store.weather = 'gone';
    expect(await failTimes(limiter, 8)).toEqual(Array(8).fill(undefined));
  });

  test('with `local-share` a process blocks by its share', async () => {
    const { limiter, store } = alone('local-share');
    store.weather = 'gone';
    expect(await failTimes(limiter, 7)).toEqual([...Array(5).fill(undefined), 15 * minute, 15 * minute]);
  });

  test('with `local-share` of two, whose share has no room for a block, a limit without room is told as such', async () => {
    const { limiter, store } = alone('local-share', 2);
    store.weather = 'gone';
    const waits = await failTimes(limiter, 4);
    expect(waits.slice(0, 2)).toEqual([undefined, undefined]);
    for (const waitMs of waits.slice(2)) expect(waitMs).toBeLessThanOrEqual(61 * second);
  });

  test('with `local-share` of two, whose share has no room for one failure, it is refused', async () => {
    const { limiter, store } = alone('local-share', 2, { ...guessing, failures: '1/min' });
    store.weather = 'gone';
    expect(await fail(limiter)).toMatchObject({ reason: 'store-down' });
  });

  test('in a dry run nobody is refused, whatever `onDown` says', async () => {
    for (const onDown of ['closed', 'open', 'local-share']) {
      const { limiter, store } = alone(onDown, 2, { ...guessing, mode: 'shadow' });
      store.weather = 'gone';
      expect(await failTimes(limiter, 8), onDown).toEqual(Array(8).fill(undefined));
    }
  });
});

test('a block survives a reload', async () => {
  const { limiter } = world({ limits: [guessing] });
  await failTimes(limiter, 6);
  await limiter.reload({ ...limiter.policy, drainMs: 1 });
  expect(await fail(limiter)).toMatchObject({ retryAfterMs: 15 * minute });
});

test('F21: a flood of addresses frees nobody who is blocked', async () => {
  const { limiter } = world({ limits: [guessing], keys: 200 });
  await failTimes(limiter, 6);
  for (let i = 0; i < 2_000; i++) await fail(limiter, `10.0.${i >> 8}.${i & 255}`);
  expect(await fail(limiter)).toMatchObject({ reason: 'blocked' });
  expect(limiter.stats().keys).toBeLessThanOrEqual(201);
});
