// The everyday commands, from a bare checkout: `node scripts/bootstrap.mjs start | build | test | check | format`.
// Only Node's own modules here, because nothing is installed yet when this runs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireChromium } from './chromium.mjs';
import { findRedisServer, requireRedisServer } from './redis-server.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const quiet = process.env.npm_config_loglevel === 'silent';

function fail(message) {
  console.error(message);
  process.exit(1);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(
      `Headgate needs Node 20.19 or newer; this is ${process.versions.node}. Install a newer Node and run the command again.`,
    );
  }
}

/** Runs a command in the repository and ends this process with its failure, if any. */
function run(label, command, args, options = {}) {
  if (!quiet) console.error(`> ${label}`);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error) fail(`${label}: could not start "${command}": ${result.error.message}`);
  if (result.status !== 0) fail(`${label} failed (exit ${result.status ?? result.signal}).`);
}

/** The tools as Node runs them: what stands in `.bin` is a shell script, which Windows does not start. */
const tool = (file) => join(root, 'node_modules', file);
const tsc = tool('typescript/bin/tsc');
const biome = tool('@biomejs/biome/bin/biome');
const vitest = tool('vitest/vitest.mjs');

/** Installs when the lock file is not the one that was installed last; pnpm comes through npx, nothing global. */
function install() {
  const stamp = join(root, 'node_modules', '.headgate-installed');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .update(process.version)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  run('installing dependencies', 'npx', ['--yes', manifest.packageManager, 'install', '--frozen-lockfile'], {
    env: { ...process.env, CI: 'true' },
    shell: process.platform === 'win32',
  });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lock);
}

/** The packages alone: who starts the gateway need not wait for the types of its tests. */
function build() {
  install();
  const { references } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  const packages = references.map(({ path }) => path).filter((path) => path.startsWith('packages/'));
  run('building', process.execPath, [tsc, '-b', ...packages]);
  run('writing the schema of policies', process.execPath, [join(root, 'scripts/policy-schema.mjs')]);
}

function buildBenchmarks() {
  build();
  run('building the benchmarks', process.execPath, [tsc, '-b', 'benchmarks']);
}

/** One benchmark, which stands in a folder by its name. */
function benchmark(name, args = []) {
  const flags = name === 'micro' ? ['--expose-gc'] : [];
  run(`benchmark: ${name}`, process.execPath, [...flags, `benchmarks/${name}/run.mjs`, ...args], { stdio: 'inherit' });
}

const commands = {
  build,
  check() {
    build();
    run('checking types', process.execPath, [tsc, '-b']);
    run('checking format and lint', process.execPath, [biome, 'check', '--error-on-warnings', '.']);
  },
  /** Every property with fresh seeds, again and again, until the minutes are over or one fails. */
  fuzz() {
    build();
    requireRedisServer(fail);
    const minutes = Number(rest[rest.indexOf('--minutes') + 1] ?? 10) || 10;
    const until = Date.now() + minutes * 60_000;
    for (let pass = 1; Date.now() < until; pass++) {
      const seed = String(Math.floor(Math.random() * 2 ** 31));
      const projects = ['--project', 'property', '--project', 'redis', '--project', 'e2e'];
      const files = ['test/property/', 'agreement', 'redis/rows', 'redis/leases', 'abort-storm'];
      run(`pass ${pass}, HEADGATE_SEED=${seed}`, process.execPath, [vitest, 'run', ...projects, ...files], {
        env: { ...process.env, HEADGATE_SEED: seed },
        stdio: 'inherit',
      });
    }
  },
  chaos() {
    build();
    requireRedisServer(fail);
    run('building chaos', process.execPath, [tsc, '-b', 'chaos']);
    run('chaos', process.execPath, ['chaos/run.mjs', ...rest], { stdio: 'inherit' });
  },
  format() {
    install();
    run('formatting', process.execPath, [biome, 'check', '--write', '.']);
  },
  test() {
    commands.check();
    requireRedisServer(fail);
    requireChromium(fail);
    run('testing', process.execPath, [vitest, 'run', ...rest], { stdio: 'inherit' });
  },
  start() {
    build();
    const child = spawn(process.execPath, [join(root, 'packages/gateway/dist/main.js'), 'demo', ...rest], {
      cwd: root,
      stdio: 'inherit',
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
  },
  /** Every benchmark, a look at each: under ten minutes on an idle machine, and nothing that is kept is written. */
  bench() {
    buildBenchmarks();
    benchmark('micro', ['--quick']);
    benchmark('estimator', ['--quick']);
    benchmark('simulation', ['--only', 'shares']);
    benchmark('http', ['--quick']);
    if (findRedisServer() !== undefined) benchmark('store', ['--quick']);
    else console.error('no redis-server is installed, so the benchmark of the store is left out');
    benchmark('gateway', ['--quick']);
  },
  /** Every benchmark in full, which writes their pages anew. */
  'bench:full'() {
    buildBenchmarks();
    requireRedisServer(fail);
    for (const name of ['micro', 'estimator', 'http', 'store', 'gateway', 'simulation']) benchmark(name);
  },
  'bench:store'() {
    buildBenchmarks();
    requireRedisServer(fail);
    benchmark('store', rest);
  },
  'bench:micro'() {
    buildBenchmarks();
    benchmark('micro', rest);
  },
  'bench:simulation'() {
    buildBenchmarks();
    benchmark('simulation', rest);
  },
  'bench:estimator'() {
    buildBenchmarks();
    benchmark('estimator', rest);
  },
  'bench:http'() {
    buildBenchmarks();
    benchmark('http', rest);
  },
  'bench:gateway'() {
    buildBenchmarks();
    benchmark('gateway', rest);
  },
};

requireNode();
const [command, ...rest] = process.argv.slice(2);
if (!commands[command]) fail(`usage: node scripts/bootstrap.mjs ${Object.keys(commands).join(' | ')}`);
commands[command]();
