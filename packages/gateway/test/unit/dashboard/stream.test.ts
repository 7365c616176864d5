/** How often snapshots are made, who gets them, and what becomes of those who do not take them. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { VirtualClock } from '@headgate/core/testing';
import { expect, test } from 'vitest';
import { readersMax, SnapshotStream } from '../../../src/dashboard/stream.js';

class FakeResponse extends EventEmitter {
  readonly written: string[] = [];
  writableNeedDrain = false;
  state: 'open' | 'ended' | 'destroyed' = 'open';

  write(text: string): boolean {
    if (this.state !== 'open') throw new Error('written after its end');
    this.written.push(text);
    return true;
  }
  end(): void {
    this.#close('ended');
  }
  destroy(): void {
    this.#close('destroyed');
  }
  #close(state: 'ended' | 'destroyed'): void {
    if (this.state !== 'open') return;
    this.state = state;
    this.emit('close');
  }
  /** Which frames came, without the greeting. */
  get frames(): (string | undefined)[] {
    return this.written.slice(1).map((frame) => /^event: snapshot\ndata: (.*)\n\n$/.exec(frame)?.[1]);
  }
}

function world(snapshot?: () => Promise<{ whole: string; change: string }>) {
  const clock = new VirtualClock();
  const errors: unknown[] = [];
  let made = 0;
  let idle = 0;
  const stream = new SnapshotStream({
    clock,
    snapshot:
      snapshot ??
      (async () => {
        made++;
        return { whole: `whole ${made}`, change: `change ${made}` };
      }),
    onIdle: () => idle++,
    onError: (error) => errors.push(error),
  });
  const join = (): FakeResponse => {
    const response = new FakeResponse();
    stream.join(response as unknown as ServerResponse);
    return response;
  };
  return { clock, stream, join, errors, made: () => made, idle: () => idle };
}

test('the first one gets all there is at once, then what changed, once a second', async () => {
  const { clock, join } = world();
  const reader = join();
  await clock.run(0);
  expect(reader.written[0]).toBe('retry: 2000\n\n');
  expect(reader.frames).toEqual(['whole 1']);
  await clock.run(999);
  expect(reader.frames).toHaveLength(1);
  await clock.run(1);
  await clock.run(1_000);
  expect(reader.frames).toEqual(['whole 1', 'change 2', 'change 3']);
});

test('however many come and go, one snapshot a second is made, and the same for all', async () => {
  const { clock, join, made } = world();
  for (let times = 0; times < 50; times++) {
    const reader = join();
    await clock.run(10);
    reader.destroy();
  }
  expect(made()).toBe(1);
  const readers = [join(), join(), join()];
  await clock.run(10_000);
  expect(made()).toBeLessThanOrEqual(11);
  for (const { frames } of readers) expect(frames).toEqual(readers[0]!.frames);
  expect(readers[0]!.frames[0]).toMatch(/^whole/);
});

test('nothing runs while nobody watches', async () => {
  const { clock, join, made, idle } = world();
  const reader = join();
  await clock.run(3_000);
  reader.destroy();
  expect([clock.timers, idle()]).toEqual([0, 1]);
  const before = made();
  await clock.run(60_000);
  expect(made()).toBe(before);
});

test('a reader that takes nothing is sent nothing, is cut off after fifteen seconds, and holds up no other', async () => {
  const { clock, join } = world();
  const [slow, quick] = [join(), join()];
  await clock.run(0);
  slow.writableNeedDrain = true;
  await clock.run(15_000);
  expect([slow.frames.length, slow.state]).toEqual([1, 'open']);
  await clock.run(1_000);
  expect([slow.frames.length, slow.state]).toEqual([1, 'destroyed']);
  expect([quick.frames.length, quick.state]).toEqual([17, 'open']);
});

test('one that was slow for a while gets all there is, since it missed changes', async () => {
  const { clock, join } = world();
  const reader = join();
  await clock.run(0);
  reader.writableNeedDrain = true;
  await clock.run(5_000);
  reader.writableNeedDrain = false;
  await clock.run(1_000);
  expect(reader.frames).toEqual(['whole 1', 'whole 7']);
});

test('so many may watch, and who comes when one has left takes its place', () => {
  const { join, stream } = world();
  const readers = Array.from({ length: readersMax }, join);
  expect(stream.mayJoin).toBe(false);
  readers[3]!.destroy();
  expect([stream.mayJoin, stream.readers]).toEqual([true, readersMax - 1]);
});

test('the end ends all of them, also while a snapshot is being made', async () => {
  let finish = (_frames: { whole: string; change: string }): void => {};
  const making = (): Promise<{ whole: string; change: string }> => new Promise((resolve) => (finish = resolve));
  const { clock, join, stream } = world(making);
  const reader = join();
  await clock.run(0);
  stream.close();
  finish({ whole: 'late', change: 'late' });
  await clock.run(5_000);
  expect([reader.state, reader.frames, clock.timers, stream.mayJoin]).toEqual(['ended', [], 0, false]);
});

test('a snapshot that cannot be made is told, and cuts those who watch, who come again', async () => {
  const { clock, join, errors, stream } = world(async () => {
    throw new Error('a bug');
  });
  const reader = join();
  await clock.run(0);
  expect([errors.length, reader.state, stream.readers, clock.timers]).toEqual([1, 'destroyed', 0, 0]);
});
