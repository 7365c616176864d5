/** A machine without the browser that the dashboard is tested in. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../../../scripts/chromium.mjs', import.meta.url));
const check = `import(process.argv[1]).then(({ requireChromium }) =>
  requireChromium((sentence) => { console.error(sentence); process.exit(7); }))`;
const ask = (env: Record<string, string>) =>
  spawnSync(process.execPath, ['--eval', check, '--', script], { encoding: 'utf8', env });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-path-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('is told what to do, and the exit code says it too', () => {
  const { status, stderr } = ask({ PATH: folder });
  expect(status).toBe(7);
  expect(stderr).toMatch(/need Chromium or Chrome.*apt-get install chromium.*HEADGATE_CHROMIUM/);
});

test('does not take another program for one', () => {
  symlinkSync(process.execPath, join(folder, 'chromium'));
  expect(ask({ PATH: folder }).status).toBe(7);
  expect(ask({ PATH: folder, HEADGATE_CHROMIUM: process.execPath }).stderr).toContain(process.execPath);
});
