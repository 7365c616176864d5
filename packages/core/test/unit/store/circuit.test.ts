import { expect, test } from 'vitest';
import { Circuit } from '../../../src/store/circuit.js';
import { VirtualClock } from '../../../src/testing/virtual-clock.js';

/** When a store that is gone for good is asked about, ms from when it went. */
async function probes(random: () => number): Promise<number[]> {
  const clock = new VirtualClock();
  const at: number[] = [];
  const from = clock.now();
  const circuit = new Circuit({
    clock,
    random,
    probe: async () => {
      at.push(Math.round(clock.now() - from));
      throw new Error('gone');
    },
    onOpen: () => {},
    onClose: () => {},
  });
  circuit.failed(new Error('gone'), true);
  await clock.run(2_000);
  circuit.close();
  return at;
}

test('a store that is gone is asked about after a tenth of a second, then rarer, and twice a second in the end', async () => {
  expect(await probes(() => 0.5)).toEqual([100, 300, 700, 1_200, 1_700]);
});

test('processes ask about it at different times: half as soon, or half as late again', async () => {
  expect((await probes(() => 0)).slice(0, 3)).toEqual([50, 150, 350]);
  expect((await probes(() => 0.999_999)).slice(0, 3)).toEqual([150, 450, 1_050]);
});
