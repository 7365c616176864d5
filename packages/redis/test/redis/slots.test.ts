/** Slots over several processes: held while their holder is heard of, back when it is not, never held twice. */
import type { Limit } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { bucket, cost, hour, minute, second, slots, subject } from '../../../core/test/support/fixtures.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { admin, ends, ownRedis, server } from '../support/own-redis.js';
import { RedisServer } from '../support/redis-server.js';
import { beatMs, leaseMs, type World, worldOf } from '../support/world.js';

ownRedis();

const world = (limits?: readonly Limit[]): World => worldOf({ server, admin, ends }, limits);

describe('slots', () => {
  test('are shared: what one process holds another does not get', async () => {
    const { process } = world();
    const [one, two] = [await process(), await process()];
    const [first] = [await one.take(), await one.take(), await two.take()];
    expect((await two.try()).admitted).toBe(false);
    await one.store.settle(first, cost());
    await two.take();
    expect(await one.free()).toBe(0);
  });

  test('are held for as long as their process lives, however long that is (F4)', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const receipt = await one.take();
    await pass(40 * leaseMs);
    expect([await two.free(), one.lost]).toEqual([2, []]);
    await one.store.settle(receipt, cost());
    expect(await two.free()).toBe(3);
  });

  test('of a process that was killed are back after the length of a lease, and those of a living one stay', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    await one.take();
    await one.take();
    await two.take();
    one.vanish();
    await pass(leaseMs - 1);
    expect(await two.free()).toBe(0);
    await pass(1);
    expect(await two.free()).toBe(2);
    await two.take();
    await two.take();
    expect((await two.try()).admitted).toBe(false);
    expect(two.lost).toEqual([]);
  });

  test('of a process that stood still for a lease are lost before anything else happens there', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const receipts = [await one.take(), await one.take('bob')];
    await pass(beatMs);
    one.clock.stall();
    await pass(2 * leaseMs);
    expect(one.lost).toEqual([]);
    one.clock.wake();
    expect(one.lost).toEqual([1, 2]);
    expect(await two.free()).toBe(3);
    await two.take();
    // What was lost gives nothing back.
    for (const receipt of receipts) await one.store.settle(receipt, cost());
    expect(await two.free()).toBe(2);
  });

  test('taken after a hold lapsed are another hold: what is given back late takes nothing from it', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const early = await one.take();
    one.clock.stall();
    await pass(leaseMs);
    one.clock.wake();
    expect(one.lost).toEqual([1]);
    const late = await one.take();
    await one.store.settle(early, cost());
    expect(await two.free()).toBe(2);
    await one.store.settle(late, cost());
    expect(await two.free()).toBe(3);
  });
});

describe('when Redis has forgotten what is held', () => {
  test('it is told again, at the latest with the next beat', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    await one.take();
    await one.take();
    await two.take();
    await admin.flushall();
    await pass(beatMs);
    expect([await one.free(), one.lost, two.lost]).toEqual([0, [], []]);
    expect((await two.try()).admitted).toBe(false);
  });

  test('what others have taken meanwhile is lost: those who came last go', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const [first] = [await one.take(), await one.take(), await one.take()];
    await admin.flushall();
    await two.take();
    await two.take();
    await pass(beatMs);
    expect([...one.lost].sort()).toEqual([2, 3]);
    expect(two.lost).toEqual([]);
    expect(await two.free()).toBe(0);
    await one.store.settle(first!, cost());
    expect(await two.free()).toBe(1);
  });

  test('a new request of the same process puts the earlier ones beside it again', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const early = await one.take();
    await admin.flushall();
    await pass(10);
    await one.take();
    await pass(10);
    expect([await two.free(), one.lost]).toEqual([1, []]);
    await one.store.settle(early, cost());
    expect(await two.free()).toBe(2);
  });

  test('a request that ended meanwhile gives back nothing twice', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const [early] = [await one.take(), await one.take()];
    await admin.flushall();
    await one.store.settle(early, cost());
    await pass(2 * beatMs);
    expect(await two.free()).toBe(2);
  });

  test('a server that was killed and came back is told before anything is decided', async () => {
    const own = await RedisServer.start();
    ends.push(() => own.stop());
    const { process } = world();
    const [one, two] = [await process(own.port), await process(own.port)];
    const receipts = [await one.take(), await one.take(), await two.take()];
    own.kill();
    await own.start();
    await expect.poll(() => one.free().catch(() => 'down')).toBe(0);
    await expect.poll(() => two.free().catch(() => 'down')).toBe(0);
    expect([one.lost, two.lost]).toEqual([[], []]);
    await one.store.settle(receipts[0]!, cost());
    await expect.poll(() => two.free()).toBe(1);
  });
});

describe('when Redis was away for longer than a lease', () => {
  test.each([
    ['with what was held in its file, lapsed', { appendonly: 'yes', appendfsync: 'always' }],
    ['without memory', {}],
  ])('and comes back %s, no running request loses its slot, and none is free', async (_, config) => {
    const own = await RedisServer.start({ config });
    ends.push(() => own.stop());
    const { process, pass } = world();
    const [one, two] = [await process(own.port), await process(own.port)];
    const receipts = [await one.take(), await one.take(), await two.take()];
    own.kill();
    await expect.poll(() => one.free().catch(() => 'down')).toBe('down');
    await pass(3 * leaseMs);
    await own.start();
    for (const each of [one, two]) {
      await expect.poll(() => each.free().catch(() => 'down')).toBe(0);
    }
    expect([one.lost, two.lost]).toEqual([[], []]);
    await one.store.settle(receipts[0]!, cost());
    await expect.poll(() => two.free()).toBe(1);
  });
});

describe('when Redis comes back without memory', () => {
  test.each([0, 2 * leaseMs])(
    '%i ms later, who is connected first takes no slots until the others could tell what they hold',
    async (outageMs) => {
      const own = await RedisServer.start();
      const proxy = await FaultyProxy.start(own.port);
      ends.push(
        () => proxy.stop(),
        () => own.stop(),
      );
      const { process, clock, pass } = world();
      const [one, two] = [await process(proxy.port), await process(own.port)];
      const heard = (): number[] => {
        clock.advance(second);
        return [one.store.peers.count, two.store.peers.count];
      };
      await expect.poll(heard).toEqual([2, 2]);
      await one.take();
      await one.take();
      proxy.cut();
      own.kill();
      await expect.poll(() => two.free().catch(() => 'down')).toBe('down');
      await pass(outageMs);
      await own.start();
      const ask = () => two.try().catch(({ code }: { code: string }) => ({ admitted: code }));
      await expect.poll(ask).toEqual({ admitted: 'HG_STORE_DOWN' });
      await expect.poll(() => two.free().catch(() => 0)).toBe(3);
      expect(await ask()).toEqual({ admitted: 'HG_STORE_DOWN' });
      // Its share is not all of the limits now, as if it were alone.
      expect(two.store.peers.count).toBe(2);
      clock.advance(300);
      proxy.pass();
      await expect.poll(() => two.free()).toBe(1);
      clock.advance(300);
      expect([(await two.try()).admitted, (await two.try()).admitted]).toEqual([true, false]);
      expect(one.lost).toEqual([]);
    },
  );

  test('that a process is gone for good is believed after a lease', async () => {
    const { process, pass } = world();
    const [one, two] = [await process(), await process()];
    const heardAfter = async (ms: number): Promise<number> => {
      await pass(ms);
      return two.store.peers.count;
    };
    await expect.poll(() => heardAfter(beatMs)).toBe(2);
    await one.store.close();
    expect(await heardAfter(leaseMs / 2)).toBe(2);
    await expect.poll(() => heardAfter(beatMs)).toBe(1);
  });
});

describe('a slot that Redis counts and nobody has', () => {
  test('because the answer was lost, is free again once its process is heard of', async () => {
    const proxy = await FaultyProxy.start(server.port);
    ends.push(() => proxy.stop());
    const { process } = world();
    const [one, two] = [await process(proxy.port), await process()];
    const receipt = await one.take();
    proxy.loseNextReply();
    await expect(one.try()).rejects.toThrow();
    expect(await two.free()).toBe(1);
    await expect.poll(() => one.free().catch(() => 'down')).toBe(2);
    await one.store.settle(receipt, cost());
    expect(await two.free()).toBe(3);
  });

  test('because its process holds nothing else there, is free again after the length of a lease', async () => {
    const proxy = await FaultyProxy.start(server.port);
    ends.push(() => proxy.stop());
    const { process, pass } = world();
    const [one, two] = [await process(proxy.port), await process()];
    proxy.loseNextReply();
    await expect(one.try()).rejects.toThrow();
    expect(await two.free()).toBe(2);
    await pass(leaseMs);
    expect(await two.free()).toBe(3);
  });
});

describe('beats', () => {
  test('are one command for many rows, and none when nothing is held', async () => {
    const { process, clock } = world();
    const one = await process();
    const receipts = await Promise.all(Array.from({ length: 40 }, (_, i) => one.take(`id${i}`)));
    const executed = async (): Promise<number> => {
      const stats = await admin.info('commandstats');
      return (
        Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0) +
        Number(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1] ?? 0)
      );
    };
    const before = await executed();
    clock.advance(beatMs);
    await expect.poll(executed, { interval: 1 }).toBeGreaterThan(before);
    // What was sent with it, or after an answer that told of an unknown script, has been executed after this.
    for (let i = 0; i < 4; i++) await admin.ping();
    const during = (await executed()) - before;
    // A script that is not known yet is tried twice.
    expect(during).toBeLessThanOrEqual(2);
    await Promise.all(receipts.map((receipt) => one.store.settle(receipt, cost())));
    clock.advance(beatMs);
    // That this process is there is all that is said from now on.
    expect(clock.timers).toBe(1);
  });

  test('keep slots and rates of one row apart', async () => {
    const limits = [bucket(10, minute), slots(2), slots(5, { name: 'wider' })];
    const { process, pass } = world(limits);
    const one = await process();
    const receipt = await one.take();
    await pass(3 * leaseMs);
    const states = await one.store.peek(one.store.prepare(limits), subject('ann'));
    expect(states.map(({ remaining }) => remaining)).toEqual([10, 1, 4]);
    await one.store.cancel(receipt);
  });
});

describe("when the server's clock steps", () => {
  test.each([hour, -hour])(
    'by %i ms, nobody loses a slot, no slot is had twice, and none is kept for longer',
    async (step) => {
      const { process, pass, clock } = world();
      const [one, two] = [await process(), await process()];
      await one.take();
      await one.take();
      const receipt = await two.take();
      clock.stepWall(step);
      // Each of them believes it when it has seen it for a minute, which is not the same minute.
      await pass(beatMs / 2);
      expect((await two.try()).admitted).toBe(false);
      await pass(2 * minute);
      expect([(await one.try()).admitted, (await two.try()).admitted]).toEqual([false, false]);
      expect([one.lost, two.lost]).toEqual([[], []]);
      one.vanish();
      await pass(leaseMs + beatMs);
      expect(await two.free()).toBe(2);
      await two.store.settle(receipt, cost());
      expect(await two.free()).toBe(3);
    },
  );

  test('an hour on, those who believe it first do not take the others for gone', async () => {
    const { process, pass, clock } = world();
    const [one, two] = [await process(), await process()];
    await one.take();
    await one.take();
    await one.take();
    clock.stepWall(hour);
    await two.try();
    // One hears of the step only with its next beat.
    await pass(minute);
    for (let i = 0; i < 3; i++) expect((await two.try()).admitted).toBe(false);
    expect(one.lost).toEqual([]);
  });

  test('an hour on and back, a process that was killed meanwhile keeps its slots for no longer than a lease after', async () => {
    const { process, pass, clock } = world();
    const [one, two] = [await process(), await process()];
    clock.stepWall(hour);
    for (let i = 0; i < 3; i++) await one.take();
    await pass(beatMs);
    one.vanish();
    clock.stepWall(-hour);
    // Nobody is let through: refusals alone must bring the time about.
    await expect
      .poll(
        async () => {
          await two.try();
          await pass(leaseMs);
          return two.free();
        },
        { interval: 1 },
      )
      .toBe(3);
    expect(clock.now()).toBeLessThan(4 * leaseMs);
  });
});
