import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { comparisons, headgate, ours, oursFirstCome } from '../../../simulation/doors/doors.js';
import { steady } from '../../../simulation/workloads/steady.js';
import { readTrace } from '../../../simulation/workloads/traces.js';
import type { Journey } from '../../../simulation/world/arrival.js';
import { BatchEngine } from '../../../simulation/world/engine.js';
import { GpuEngine, type GpuOptions } from '../../../simulation/world/gpu.js';
import { play } from '../../../simulation/world/play.js';

const tokens = { inputTokens: 256, outputTokens: 256 };
const instants = (journeys: readonly Journey[]) =>
  journeys.map(({ outcome, grantedAtMs, firstTokenAtMs, endedAtMs }) => [
    outcome,
    grantedAtMs,
    firstTokenAtMs,
    endedAtMs,
  ]);

describe('the engine', () => {
  test('gives every request a token a step, and a step is longer by the prompts read in it', () => {
    const clock = new VirtualClock();
    const engine = new BatchEngine(clock);
    const log: string[] = [];
    const start = (name: string, inputTokens: number, outputTokens: number) =>
      engine.start({
        inputTokens,
        outputTokens,
        model: '',
        prefixBlocks: [],
        written: () => log.push(`${name} ${clock.now().toFixed(0)}`) > 0,
        ended: () => log.push(`${name} ended`),
        failed: () => {},
      });
    start('a', 100, 3);
    clock.advance(50);
    const abort = start('b', 1_000, 9);
    clock.advance(266);
    abort();
    clock.advance(1_000);
    expect(log).toEqual(['a 63', 'a 315', 'b 315', 'a 357', 'a ended']);
  });

  test('makes what the published server made, 875 to 893 tokens a second, within three percent', async () => {
    const arrivals = steady([{ client: 'one', rate: 5, untilMs: 600_000, ...tokens }]);
    const journeys = await play(comparisons.firstCome, { arrivals, untilMs: 600_000 });
    const written = journeys.reduce((sum, one) => sum + (one.outcome === 'done' ? 512 : 0), 0);
    expect(written / 600).toBeGreaterThan(875 * 0.97);
    expect(written / 600).toBeLessThan(893 * 1.03);
  });
});

describe('the engine with models and a prompt cache', () => {
  const options = {
    slots: 2,
    places: 1,
    loadMs: 1_000,
    promptTokenMs: 1,
    tokenMs: 10,
    cacheBlocks: 4,
    blockTokens: 10,
  };

  function gpuOf(more: Partial<GpuOptions> = {}) {
    const clock = new VirtualClock();
    const engine = new GpuEngine(clock, { ...options, ...more });
    const log: string[] = [];
    const start = (name: string, model: string, prefixBlocks: number[] = []) =>
      engine.start({
        inputTokens: 10 * prefixBlocks.length,
        outputTokens: 2,
        model,
        prefixBlocks,
        written: () => log.push(`${name} ${clock.now().toFixed(0)}`) > 0,
        ended: () => log.push(`${name} ended`),
        failed: () => {},
      });
    return { clock, engine, log, start };
  }

  test('loads what is asked for, in order: who wants another model waits until nobody uses the one that is there, with all behind him', () => {
    const { clock, engine, log, start } = gpuOf();
    start('a', 'x');
    start('b', 'y');
    start('c', 'x');
    clock.advance(1_005);
    expect(engine.loaded()).toEqual(['x']);
    clock.advance(3_000);
    expect(log).toEqual(['a 1000', 'a 1010', 'a ended', 'b 2010', 'b 2020', 'b ended', 'c 3020', 'c 3030', 'c ended']);
    expect(engine.counts.loads).toBe(3);
  });

  test('keeps as many models as have a place, and no more requests at once than slots', () => {
    const { clock, engine, log, start } = gpuOf({ places: 2 });
    for (const [name, model] of Object.entries({ a: 'x', b: 'y', c: 'x', d: 'y' })) start(name, model);
    clock.advance(5_000);
    expect(engine.loaded()).toEqual(['x', 'y']);
    expect(engine.counts.loads).toBe(2);
    expect(log.filter((line) => line.endsWith('2000'))).toEqual(['b 2000', 'c 2000']);
    expect(log).toContain('d 2010');
  });

  test('one that leaves before its turn is not served', () => {
    const { clock, engine, log, start } = gpuOf();
    start('a', 'x');
    start('b', 'y')();
    clock.advance(5_000);
    expect(log).toEqual(['a 1000', 'a 1010', 'a ended']);
    expect(engine.counts.loads).toBe(1);
  });

  test('reads only what of a prompt it has not read before, and forgets what was used longest ago', () => {
    const { clock, engine, log, start } = gpuOf();
    const read = (blocks: number[]): void => {
      start('a', 'x', blocks);
      clock.advance(2_000);
    };
    read([1, 2, 3]);
    read([1, 2, 4]);
    read([5, 6, 7]);
    read([1, 2, 4]);
    expect(log.filter((line) => line !== 'a ended').filter((_, i) => i % 2 === 0)).toEqual([
      'a 1030',
      'a 2010',
      'a 4030',
      'a 6020',
    ]);
    expect(engine.counts).toEqual({ loads: 1, blocks: 12, hits: 3 });
  });
});

describe('the world', () => {
  test('plays the same history every time', async () => {
    const arrivals = readTrace('arena-27clients').slice(0, 300);
    expect(instants(await play(ours, { arrivals }))).toEqual(instants(await play(ours, { arrivals })));
  });

  test('with the real limiter and no fairness is first come, first served to the millisecond', async () => {
    const arrivals = readTrace('arena-27clients').slice(0, 600);
    const plain = await play(comparisons.firstCome, { arrivals });
    expect(instants(await play(oursFirstCome, { arrivals }))).toEqual(instants(plain));
  });

  test('sees what the limiter does of its own accord: who waits too long is refused on time', async () => {
    const door = headgate('short', { queue: { depth: 10, wait: '5s' } });
    const arrivals = [0, 1].map((client) => ({ atMs: 0, client: `${client}`, inputTokens: 1, outputTokens: 1_000 }));
    const journeys = await play(door, { arrivals, backends: [{ name: 'gpu', slots: 1 }] });
    expect(journeys[1]).toMatchObject({ outcome: 'refused', reason: 'queue-timeout', endedAtMs: 5_000 });
  });

  test('a client that leaves is charged what was written, and its slot goes on', async () => {
    const arrivals = [
      { atMs: 0, client: 'leaves', inputTokens: 0, outputTokens: 100, leavesAfterMs: 430 },
      { atMs: 1, client: 'waits', inputTokens: 0, outputTokens: 2 },
      { atMs: 2, client: 'leaves early', inputTokens: 0, outputTokens: 2, leavesAfterMs: 100 },
    ];
    const [first, second, third] = await play(ours, { arrivals, backends: [{ name: 'gpu', slots: 1 }] });
    expect(first).toMatchObject({ outcome: 'left', written: 10, endedAtMs: 430 });
    expect(second).toMatchObject({ outcome: 'done', grantedAtMs: 430 });
    expect(third).toMatchObject({ outcome: 'left', endedAtMs: 102 });
  });
});
