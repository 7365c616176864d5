/** A master that is lost, and its replica that takes its place: with Sentinel, and with both clients. */
import * as ioredis6 from 'ioredis';
import * as ioredis5 from 'ioredis5';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { hour, rolling, subject, tokens } from '../../../core/test/support/fixtures.js';
import { Guarded, usual } from '../support/guarded.js';
import { freePort } from '../support/ports.js';
import { Watched } from '../support/sentinel.js';

let servers: Watched;
let one: Guarded;
beforeEach(async () => {
  servers = await Watched.start();
});
afterEach(async () => {
  await one.close();
  servers.stop();
});

const budget = rolling(100, hour, { measure: 'tokens' });

type Client = typeof ioredis6.Redis;
const clients: [name: string, Client][] = [
  ['ioredis 5', ioredis5.Redis as unknown as Client],
  ['ioredis 6', ioredis6.Redis],
];

describe('when no Sentinel answers from the start', () => {
  test('decisions are made by `onDown`, and none is left hanging (F19)', async () => {
    const port = await freePort();
    const sentinels = [{ host: '127.0.0.1', port }];
    const client = new ioredis6.Redis({ sentinels, name: 'mymaster', lazyConnect: true });
    one = await Guarded.start({ onDown: 'closed', limits: [budget] }, client, servers.client(ioredis6.Redis), false);
    expect((await one.decide('ann', 1)).said).toBe('down');
    await expect(one.store.reserve(one.set, subject('ann'), tokens(1))).rejects.toMatchObject({
      code: 'HG_STORE_DOWN',
    });
  });
});

describe.each(clients)('a master that is lost, %s', (_, Redis) => {
  test('is stood in for by `onDown` until its replica is found, which has all that was counted (F12, F19)', async () => {
    one = await Guarded.start(
      { onDown: 'local-share', limits: [budget] },
      servers.client(Redis),
      servers.client(Redis),
    );
    const running = await one.take('ann', 10);
    await one.guard.settle(await one.take('ann', 20), tokens(20));
    await expect.poll(() => one.used('ann')).toBe(30);
    await servers.replicated();
    one.changes.length = 0;
    servers.master.kill();
    const until = performance.now() + patienceMs;
    const took: number[] = [];
    // The failover itself takes Sentinel a second or two of the real clock; decisions never wait for it.
    while (one.changes.at(-1) !== 'up') {
      const { said, tookMs } = await one.decide('ann', 0);
      expect(said).toBe('admitted');
      took.push(tookMs);
      if (performance.now() > until) throw new Error('the replica was not found');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(usual(took)).toBeLessThan(100);
    await one.guard.settle(running, tokens(25));
    await expect.poll(() => one.used('ann').catch(() => 0)).toBe(45);
    expect(one.changes).toEqual(['down', 'up']);
  });
});
