/** Every row of the benchmark decides, and all of its limits apply: otherwise its figure would be of something else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRedisServer } from '../../../scripts/redis-server.mjs';
import { contestant, rowNames } from '../../store/contestants.js';
import { BenchServer, commandsBetween } from '../../store/server.js';

let server: BenchServer;
beforeAll(async () => {
  server = await BenchServer.start(findRedisServer()!);
});
afterAll(() => server.stop());

/** Commands for a decision by itself, once scripts are known. */
const commands: Readonly<Record<string, number>> = {
  [rowNames.peerOfThree]: 3,
  [rowNames.hitsOfThree]: 3,
  [rowNames.life]: 2,
};

describe.each(Object.values(rowNames))('%s', (name) => {
  test('admits, with as many commands as it is said to need', async () => {
    const one = await contestant(name, server.url);
    expect(await one.decide('ann')).toBe(true);
    await one.tidy?.();
    const before = await server.work();
    for (let i = 0; i < 10; i++) expect(await one.decide('ann')).toBe(true);
    const sent = commandsBetween(before, await server.work());
    expect(sent / 10).toBeCloseTo(commands[name] ?? 1, 0);
    await one.tidy?.();
  });
});
