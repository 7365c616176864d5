/** The policy file while the program runs: read again on SIGHUP and when it changes. */
import { link, mkdir, open as openFile, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fake, generate, post, until } from '../support/harness.js';
import { fileWith, type Program, program } from '../support/program.js';

const inForce = 'is in force';

async function serving(policy: (backend: string) => string, args: readonly string[] = []) {
  const backend = await fake({ numParallel: 50 });
  const file = await fileWith(policy(backend.url));
  const gateway = program(['serve', '--config', file, '--port', '0', ...args]);
  const url = await gateway.url();
  const ask = async (key = 'sk-1'): Promise<number> => {
    const answer = await post(`${url}/api/generate`, generate, { authorization: `Bearer ${key}` });
    await answer.arrayBuffer();
    return answer.status;
  };
  return { backend, file, gateway, url, ask };
}

/** Resolves when the program has said it once more. */
async function says(gateway: Program, words: string, how: () => unknown): Promise<void> {
  const count = (): number => gateway.stderr().split(words).length;
  const before = count();
  await how();
  await until(() => count() > before, `it says "${words}"`);
}

/** In one step: a file that is emptied and then written may be seen in between, and an empty policy is one too. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

/** In one step as well, since what is there is as long. */
async function overwrite(file: string, text: string): Promise<void> {
  const open = await openFile(file, 'r+');
  await open.write(text, 0);
  await open.close();
}

const limited = (amount: number) => (backend: string) => `requests: ${amount}/hour\nbackends: [${backend}]\n`;

describe('a policy file', () => {
  it('is taken up on SIGHUP, and what was used stays used', async () => {
    const { backend, file, gateway, ask } = await serving(limited(3));
    expect([await ask(), await ask()]).toEqual([200, 200]);
    await replace(file, limited(4)(backend.url));
    await says(gateway, inForce, () => gateway.child.kill('SIGHUP'));
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
    expect(gateway.child.exitCode).toBeNull();
  });

  it.each<[string, (file: string, text: string) => Promise<void>]>([
    ['written to', overwrite],
    ['replaced by rename', replace],
    [
      'removed and made anew',
      async (file, text) => {
        await rm(file);
        await replace(file, text);
      },
    ],
    [
      'reached by a link that is turned to another folder',
      async (file, text) => {
        const folder = dirname(file);
        await mkdir(join(folder, 'v2'));
        await writeFile(join(folder, 'v2', 'policy'), text);
        await symlink('v2', join(folder, 'next'));
        await rename(join(folder, 'next'), join(folder, 'data'));
      },
    ],
  ])('is taken up when it is %s', async (how, change) => {
    const backend = await fake();
    const file = await fileWith(limited(1)(backend.url));
    if (how.startsWith('reached')) {
      const folder = dirname(file);
      await mkdir(join(folder, 'v1'));
      await link(file, join(folder, 'v1', 'policy'));
      await symlink('v1', join(folder, 'data'));
      await rm(file);
      await symlink('data/policy', file);
    }
    const gateway = program(['serve', '--config', file, '--port', '0']);
    const url = await gateway.url();
    for (const status of [200, 429]) expect((await post(`${url}/api/generate`, generate)).status).toBe(status);
    await says(gateway, inForce, () => change(file, limited(2)(backend.url)));
    for (const status of [200, 429]) expect((await post(`${url}/api/generate`, generate)).status).toBe(status);
  });

  it('that is wrong is reported with path, value and what is expected, once, and the old one stays', async () => {
    const { backend, file, gateway, url, ask } = await serving(limited(2));
    expect(await ask()).toBe(200);
    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    const stays = 'the policy from before stays in force';
    await says(gateway, stays, () =>
      replace(file, `requests: 99/hour\nqueue: { wait: 30 }\nbackends: [${backend.url}]\n`),
    );
    expect(gateway.stderr()).toContain(`${file}:2:10: queue.wait\n    got 30\n    expected a duration with its unit`);
    expect([await ask(), await ask()]).toEqual([200, 429]);
    for (const text of ['requests: [', 'requests: &a 1\n---\n', '{"requests": "nonsense"}']) {
      await says(gateway, stays, () => replace(file, text));
    }
    await says(gateway, stays, () => rm(file));
    expect(gateway.stderr()).toContain(`${file}: there is no such file`);
    expect(await ask()).toBe(429);
    expect(await metrics()).toMatch(/^headgate_reload_ok 0$/m);
    await says(gateway, inForce, () => replace(file, limited(3)(backend.url)));
    expect(await metrics()).toMatch(/^headgate_reload_ok 1$/m);
    expect(await metrics()).toContain('headgate_reloads_total{outcome="failed"} 5');
    expect([await ask(), await ask()]).toEqual([200, 429]);
    expect(gateway.stderr().split(stays)).toHaveLength(6);
  });

  it('says what takes a restart, and takes up the rest', async () => {
    const { backend, file, gateway, url, ask } = await serving(limited(1));
    expect(await ask()).toBe(200);
    await says(gateway, inForce, () => replace(file, `listen: 127.0.0.2:9\n${limited(2)(backend.url)}`));
    expect(gateway.stderr()).toContain('listen changed, which takes effect at the next start only');
    expect([await ask(), await ask()]).toEqual([200, 429]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('does not take the place of what the command line says', async () => {
    const other = await fake();
    const { file, gateway, ask } = await serving(limited(9), ['--backend', other.url]);
    await says(gateway, inForce, () => replace(file, 'backends: [http://127.0.0.1:9]\nlisten: 1234\n'));
    expect(await ask()).toBe(200);
    expect(other.seen.length).toBe(1);
    expect(gateway.stderr()).not.toContain('takes effect');
  });

  it('names keys: new ones are known, those that are gone are not', async () => {
    const keyed = (keys: string) => (backend: string) =>
      `identity:\n  - apiKey:\n      keys: { ${keys} }\nbackends: [${backend}]\nrequests: 100/min\n`;
    const { backend, file, gateway, ask } = await serving(keyed('sk-1: { id: a }'));
    expect([await ask('sk-1'), await ask('sk-2')]).toEqual([200, 401]);
    await says(gateway, inForce, () => replace(file, keyed('sk-2: { id: a }')(backend.url)));
    expect([await ask('sk-1'), await ask('sk-2')]).toEqual([401, 200]);
    expect(gateway.stderr()).not.toMatch(/sk-[12]/);
  });

  it('moves the access log; a log file that was moved away is begun anew', async () => {
    const log = await fileWith('', 'access.log');
    const logged = (to: string) => (backend: string) =>
      `log: { access: ${to}, format: combined }\nbackends: [${backend}]\n`;
    const { backend, file, gateway, ask } = await serving(logged('stdout'));
    await ask();
    await says(gateway, inForce, () => replace(file, logged(log)(backend.url)));
    await ask();
    await rename(log, `${log}.1`);
    await says(gateway, inForce, () => gateway.child.kill('SIGHUP'));
    await ask();
    await says(gateway, 'cannot be written', () => replace(file, logged('/dev/null/x')(backend.url)));
    await ask();
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    const lines = (text: string): number => text.split('POST /api/generate').length - 1;
    expect([
      lines(gateway.stdout()),
      lines(await readFile(`${log}.1`, 'utf8')),
      lines(await readFile(log, 'utf8')),
    ]).toEqual([1, 1, 2]);
  });
});

it('SIGHUP without a policy file ends nothing, and says that there is none', async () => {
  const backend = await fake();
  const gateway = program(['serve', '--port', '0', '--backend', backend.url]);
  const url = await gateway.url();
  await says(gateway, 'no policy file', () => gateway.child.kill('SIGHUP'));
  expect((await post(`${url}/api/generate`, generate)).status).toBe(200);
});
