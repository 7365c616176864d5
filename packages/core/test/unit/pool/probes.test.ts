import { describe, expect, test } from 'vitest';
import type { Backend } from '../../../src/model.js';
import { type Probed, Probes } from '../../../src/pool/probes.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';
import { middle } from '../../support/pool.js';

const second = 1_000;
const named = (name: string): Backend => ({ name }) as Backend;

function watching(answer: (backend: Backend) => Promise<Probed>, random = middle) {
  const clock = new VirtualClock();
  const told: string[] = [];
  const asked: number[] = [];
  const probes = new Probes<Backend>({
    clock,
    random,
    everyMs: () => 10 * second,
    probe: (backend) => {
      asked.push(clock.now());
      return answer(backend);
    },
    onProbed: ({ name }, { up }) => told.push(`${name} ${up ? 'up' : 'bad'}`),
    onListed: ({ name }, loaded) => told.push(`${name} has ${loaded.map(({ model }) => model)}`),
  });
  return { clock, probes, told, asked };
}

describe('probes', () => {
  test('ask at once, then at intervals, until told to stop', async () => {
    const { clock, probes, told, asked } = watching(async () => ({ up: true }));
    const a = named('a');
    probes.watch(a);
    await clock.run(25 * second);
    expect([asked, told]).toEqual([
      [0, 10 * second, 20 * second],
      ['a up', 'a up', 'a up'],
    ]);
    probes.unwatch(a);
    await clock.run(60 * second);
    expect([asked.length, clock.timers]).toEqual([3, 0]);
  });

  test('vary their intervals by a tenth, so that gateways do not ask in step', async () => {
    const early = watching(
      async () => ({ up: true }),
      () => 0,
    );
    early.probes.watch(named('a'));
    await early.clock.run(19 * second);
    expect(early.asked).toEqual([0, 9 * second, 18 * second]);
  });

  test('that are rejected are bad', async () => {
    const { clock, probes, told } = watching(() => Promise.reject(new Error('refused')));
    probes.watch(named('a'));
    await clock.run(second);
    expect(told).toEqual(['a bad']);
  });

  test('never ask a second time before the first answer, and wait from there', async () => {
    let answered = (_: Probed): void => {};
    const { clock, probes, asked } = watching(() => new Promise((resolve) => (answered = resolve)));
    probes.watch(named('a'));
    await clock.run(60 * second);
    expect(asked).toEqual([0]);
    answered({ up: false });
    await clock.run(10 * second);
    expect(asked).toEqual([0, 70 * second]);
  });

  test('say nothing of one that was let go meanwhile', async () => {
    let answered = (_: Probed): void => {};
    const { clock, probes, told } = watching(() => new Promise((resolve) => (answered = resolve)));
    const a = named('a');
    probes.watch(a);
    await clock.run(second);
    probes.unwatch(a);
    answered({ up: false });
    await clock.run(second);
    expect([told, clock.timers]).toEqual([[], 0]);
  });

  test('out of turn tell what is in memory and nothing of health, one at a time', async () => {
    const { clock, probes, told, asked } = watching(async () => ({ up: false, loaded: [{ model: 'm' }] }));
    const a = named('a');
    probes.look(a);
    probes.watch(a);
    await clock.run(second);
    probes.look(a);
    probes.look(a);
    await clock.run(second);
    expect([told, asked.length]).toEqual([['a bad', 'a has m'], 2]);
  });
});
