/** The packages as they would be published: whole, well-formed, and loaded by `import` and by `require` on every Node that is supported. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogVersion, command, emptyProject, type Project, packAll, type Tarball } from '../support/packed.js';
import { manifestOf, root } from '../support/repository.js';

/** The oldest that is supported, and the newest of each line since. */
const nodes = ['20.19.0', '22', '24', '26'];
const peers = ['express', 'fastify', 'hono', 'koa', '@ai-sdk/provider', 'ioredis'];
const platform = process.platform === 'win32' ? 'win' : process.platform;

const into = mkdtempSync(join(tmpdir(), 'headgate-packed-'));
let tarballs: readonly Tarball[];
let project: Project;

/** Every name under which something can be imported. */
function entries(): string[] {
  return tarballs.flatMap(({ name, folder }) =>
    Object.keys((manifestOf(`packages/${folder}`) as unknown as { exports: object }).exports)
      .filter((subpath) => subpath !== './package.json')
      .map((subpath) => name + subpath.slice(1)),
  );
}

beforeAll(async () => {
  tarballs = await packAll(into);
  project = emptyProject();
  const binaries = nodes.map((version) => `node-${version}@npm:node-${platform}-${process.arch}@${version}`);
  await project.install(...tarballs.map(({ file }) => file), ...peers.map((name) => `${name}@${catalogVersion(name)}`));
  await project.install(...binaries);
}, 600_000);

afterAll(() => {
  project?.remove();
  rmSync(into, { recursive: true, force: true });
});

test('publint finds nothing', async () => {
  for (const { folder, file } of tarballs) {
    const { buffer } = new Uint8Array(readFileSync(file));
    const { messages, pkg } = await publint({ strict: true, pack: { tarball: buffer } });
    const found = messages.map((message) => formatMessage(message, pkg as Record<string, unknown>));
    expect(found, folder).toEqual([]);
  }
});

test('the types are found wherever ES modules are', async () => {
  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  for (const { file } of tarballs) {
    // `node10` knows no exports, and a `require` of ES modules is what Node 20.19 and later do. Fails with what it found.
    const args = [attw, file, '--profile', 'esm-only', '--ignore-rules', 'cjs-resolves-to-esm', '--no-color'];
    expect(await command(root, process.execPath, args)).toContain('node16 (from ESM)');
  }
});

test('the dashboard is in the package of the gateway, with every file that its page asks for', async () => {
  project.write(
    'dashboard.mjs',
    `import { startGateway } from '@headgate/gateway';
     const gateway = await startGateway({ policy: {}, port: 0, log: false });
     const read = async (path) => {
       const answer = await fetch(gateway.url + path);
       if (!answer.ok) throw new Error(path + ' ' + answer.status);
       return answer.text();
     };
     const page = await read('/dashboard');
     const files = [...page.matchAll(/(?:src|href)="(dashboard\\/[^"]+)"/g)].map(([, file]) => '/' + file);
     const modules = [...(await read('/dashboard/main.js')).matchAll(/from '\\.(\\/.+)'/g)].map(([, file]) => '/dashboard' + file);
     for (const file of [...files, ...modules]) if ((await read(file)).length < 100) throw new Error(file);
     console.log(files.length, modules.length);
     await gateway.close({ drainMs: 0 });`,
  );
  expect(await command(project.folder, process.execPath, ['dashboard.mjs'])).toBe('5 7\n');
});

describe.each(nodes)('on Node %s', (version) => {
  const node = (): string =>
    join(project.folder, 'node_modules', `node-${version}`, 'bin', platform === 'win' ? 'node.exe' : 'node');

  test('it is that Node', async () => {
    expect((await command(project.folder, node(), ['--version'])).startsWith(`v${version}`)).toBe(true);
  });

  test('everything is imported, and a limiter decides', async () => {
    const names = JSON.stringify(entries());
    project.write(
      'all.mjs',
      `const load = (name) => import(name, name.endsWith('.json') ? { with: { type: 'json' } } : {});
       for (const name of ${names}) if (Object.keys(await load(name)).length === 0) throw new Error(name);
       const { createLimiter } = await import('@headgate/core');
       const limiter = createLimiter({ requests: '1/min' });
       console.log(JSON.stringify([1, 2].map(() => limiter.admitNow({}).admitted)));`,
    );
    expect(await command(project.folder, node(), ['all.mjs'])).toBe('[true,false]\n');
  });

  test('everything is required', async () => {
    const names = JSON.stringify(entries());
    project.write(
      'all.cjs',
      `for (const name of ${names}) if (Object.keys(require(name)).length === 0) throw new Error(name);
       const { createLimiter } = require('@headgate/core');
       console.log(JSON.stringify([1, 2].map(() => createLimiter({ requests: '1/min' }).admitNow({}).admitted)));`,
    );
    expect(await command(project.folder, node(), ['--no-warnings', 'all.cjs'])).toBe('[true,true]\n');
  });
});
