/** Processes with open streams that are killed, or stopped and woken: real ones, by the signals of the system. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Child } from '../support/child.js';
import { RedisServer } from '../support/redis-server.js';
import { space } from '../support/store.js';

/** So long that the living ones keep theirs though the machine stands still for a while. */
const leaseMs = 5_000;
/** A busy machine lets processes wait. To the millisecond leases are tested on a virtual clock, in the tests of slots. */
const slackMs = 20_000;
const slots = 60;
const policy = {
  backends: [{ url: 'http://127.0.0.1:1', name: 'shared', slots }],
  queue: { depth: 100, wait: '2min' },
};

let server: RedisServer;
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  server = await RedisServer.start();
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(() => server.stop());

interface Opened {
  readonly opened: number;
  readonly tookMs: number;
}

interface State {
  /** Streams that were told that their slot is another's. */
  readonly aborted: number;
  readonly chunksLate: number;
  readonly inFlight: number;
}

class Process extends Child {
  open(count: number): Promise<Opened> {
    return this.ask({ do: 'open', count });
  }
  state(): Promise<State> {
    return this.ask({ do: 'state' });
  }
}

async function processes(count: number): Promise<Process[]> {
  const prefix = space();
  const store = { redis: server.url, onDown: 'closed' };
  const all = Array.from({ length: count }, () => new Process('streams.mjs'));
  ends.push(...all.map((one) => () => one.end()));
  await Promise.all(
    all.map((one) => one.ask({ do: 'start', url: server.url, prefix, leaseMs, policy: { ...policy, store } })),
  );
  return all;
}

describe('kill -9 of a process with 50 open streams', () => {
  test('gives its slots back within the time of a lease, and no living stream loses its own (F4)', async () => {
    const [doomed, living] = (await processes(2)) as [Process, Process];
    expect(await doomed.open(50)).toMatchObject({ opened: 50 });
    expect(await living.open(10)).toMatchObject({ opened: 10 });
    await doomed.end();
    const next = await living.open(50);
    expect(next.opened).toBe(50);
    expect(next.tookMs).toBeLessThan(leaseMs + slackMs);
    expect(await living.state()).toMatchObject({ aborted: 0, inFlight: 60 });
  });
});

describe('a process that stands still for twice the time of a lease', () => {
  test('has its work ended when it wakes, and the slots are had once (F4, I12)', async () => {
    const [stopped, living, third] = (await processes(3)) as [Process, Process, Process];
    await stopped.open(50);
    await living.open(10);
    stopped.signal('SIGSTOP');
    const from = performance.now();
    expect(await living.open(50)).toMatchObject({ opened: 50 });
    // The real clock has to pass: the system keeps it for processes that stand still.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, from + 2 * leaseMs - performance.now())));
    stopped.signal('SIGCONT');
    await expect.poll(() => stopped.state()).toMatchObject({ aborted: 50, inFlight: 0 });
    // What was due first in the turn of the event loop in which it woke: one chunk each at most.
    expect((await stopped.state()).chunksLate).toBeLessThanOrEqual(50);
    // What it gave back was not its own any more: there is nothing for a third, until one of the living ends.
    const waiting = third.open(1);
    const early = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 300, 'waits'))]);
    expect(early).toBe('waits');
    expect(await living.state()).toMatchObject({ aborted: 0, inFlight: 60 });
    await living.ask({ do: 'endAll' });
    expect(await waiting).toMatchObject({ opened: 1 });
  });
});
