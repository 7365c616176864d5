/** A log in a file, which is opened anew whenever the policy is read again. */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { accessLog } from '../../../src/log/access-log.js';

/** Whether this process has the file open, as far as its system tells. */
const isOpen = (file: string): boolean =>
  readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false;
    }
  });

it.runIf(process.platform === 'linux')('is written out and let go of when it is closed', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'headgate-')), 'access.log');
  const log = accessLog({ access: file, format: 'combined' });
  expect(isOpen(file)).toBe(true);
  log.note('the last word', {});
  log.close();
  expect(readFileSync(file, 'utf8')).toBe('# the last word\n');
  await expect.poll(() => isOpen(file)).toBe(false);
});
