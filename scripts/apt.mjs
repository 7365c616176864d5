// Installs a Debian package that the tests need, where that can be done without asking: as root, and where there is apt.
// Only Node's own modules here: the bootstrap runs this before anything is installed.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';

const policyFile = '/usr/sbin/policy-rc.d';

export const canInstall = () =>
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;

/** True when it was installed. Services of the package are kept from starting: tests start what they need themselves. */
export function installByApt(name) {
  const keepsServicesOff = existsSync(policyFile);
  if (!keepsServicesOff) {
    writeFileSync(policyFile, '#!/bin/sh\nexit 101\n');
    chmodSync(policyFile, 0o755);
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', name]]) {
      const { status } = spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env });
      if (status !== 0) return false;
    }
    return true;
  } finally {
    if (!keepsServicesOff) rmSync(policyFile, { force: true });
  }
}
