/** How soon a change of a file is told, and that half a change is not. The clock is told the time; the file is a real one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WatchedFile } from '../../../src/config/watched-file.js';

let folder: string;
let file: string;
let told: number;
let watched: WatchedFile;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  folder = await mkdtemp(join(tmpdir(), 'headgate-'));
  file = join(folder, 'headgate.yaml');
  await writeFile(file, 'one');
  told = 0;
  watched = await WatchedFile.of(file);
  watched.watch(() => told++);
});
afterEach(async () => {
  watched.close();
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

/** Lets time pass, and what is looked at then be seen. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve));
}

async function msUntilTold(): Promise<number> {
  for (let ms = 0; ms <= 10_000; ms += 100) {
    if (told > 0) return ms;
    await pass(100);
  }
  throw new Error('it was never told');
}

test('a change is told once, within two seconds', async () => {
  await pass(700);
  await writeFile(file, 'another');
  expect(await msUntilTold()).toBeLessThan(2_000);
  for (let ms = 0; ms < 5_000; ms += 500) await pass(500);
  expect(told).toBe(1);
});

test('a file that is gone is told too, and again when it is back', async () => {
  await rm(file);
  expect(await msUntilTold()).toBeLessThan(2_000);
  told = 0;
  await writeFile(file, 'one');
  expect(await msUntilTold()).toBeLessThan(2_000);
});

test('a file that is still being written is not told before it stays as it is', async () => {
  for (const text of ['a', 'ab', 'abc', 'abcd']) {
    await writeFile(file, text);
    await pass(500);
  }
  expect(told).toBe(0);
  await pass(500);
  expect(told).toBe(1);
});

test('what is not watched any more is not told', async () => {
  watched.close();
  await writeFile(file, 'another');
  vi.advanceTimersByTime(10_000);
  expect([told, vi.getTimerCount()]).toEqual([0, 0]);
});
