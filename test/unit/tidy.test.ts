/** What keeps the repository readable, as a test: a rule that nothing checks is a wish. Each failure names its file. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { codeOf, files, importsOf, manifestOf, ringAmong, root, sources, textOf } from '../support/repository.js';

/** Lowest first; those of one row do not know each other. */
const packageLayers = [
  ['core', 'fake-ollama'],
  ['dialects', 'jwt', 'tiktoken', 'redis'],
  ['ai-sdk', 'express', 'fastify', 'hono', 'koa'],
  ['gateway'],
  ['examples', 'benchmarks', 'chaos'],
];

/**
 * Folders and files of `packages/core/src`, lowest first; those of one row do not know each other. The rule book is read by
 * every stage, so it lies below them.
 */
const coreLayers = [
  ['kernel'],
  ['model.ts', 'model-name.ts', 'events.ts', 'wish.ts'],
  ['policy', 'limits'],
  ['store'],
  ['refusal.ts', 'refused-error.ts', 'run-state.ts', 'reservation.ts'],
  ['admission', 'alert', 'identity', 'pool', 'queue', 'run', 'settlement'],
  ['decision.ts'],
  ['http', 'wrap'],
  [
    'limiter.ts',
    'limiter-options.ts',
    'create-limiter.ts',
    'assembly.ts',
    'doors.ts',
    'backend-slots.ts',
    'shared-slots.ts',
    'slot-purse.ts',
    'slots.ts',
  ],
  ['node', 'testing'],
  ['index.ts'],
];
/** Rows whose members may know each other, because together they are the limiter or the nouns. */
const oneUnit = ['limiter.ts', 'model.ts', 'refusal.ts'];

/** Published sources that are longer than they should be, and how long they may be, each with its reason. None is. */
const longFiles: Readonly<Record<string, number>> = {};
const linesMax = 300;

const rankIn = (layers: readonly (readonly string[])[], part: string): number =>
  layers.findIndex((layer) => layer.includes(part));

/** The part of the repository that a file is of, as `packageLayers` spells it; undefined for what lies outside of it. */
function packageOf(file: string): string | undefined {
  return /^(?:packages\/([^/]+)|(examples|benchmarks|chaos))\//.exec(file)?.slice(1).find(Boolean);
}

const corePart = (file: string): string => file.slice('packages/core/src/'.length).split('/')[0]!;
const inCore = (file: string): boolean => file.startsWith('packages/core/src/');

describe('imports', () => {
  test('between packages go one way', () => {
    const code = files.filter(
      (file) => sources.includes(file) || /^(?:examples|benchmarks|chaos)\/.*\.m?[jt]s$/.test(file),
    );
    expect(code.length).toBeGreaterThan(100);
    for (const { from, to } of code.flatMap(importsOf)) {
      const [own, other] = [packageOf(from)!, packageOf(to)];
      if (other === undefined || other === own) continue;
      expect(rankIn(packageLayers, own), `a place in the layers for ${own}`).toBeGreaterThanOrEqual(0);
      expect(rankIn(packageLayers, other), `${from} imports ${to}`).toBeLessThan(rankIn(packageLayers, own));
    }
  });

  test('within core go one way, and stages never know each other', () => {
    for (const { from, to } of sources.filter(inCore).flatMap(importsOf)) {
      if (!inCore(to)) continue;
      const [own, other] = [corePart(from), corePart(to)];
      if (own === other) continue;
      const [rank, below] = [rankIn(coreLayers, own), rankIn(coreLayers, other)];
      expect(rank, `a place in the layers for ${own}`).toBeGreaterThanOrEqual(0);
      if (rank === below && coreLayers[rank]!.some((part) => oneUnit.includes(part))) continue;
      expect(below, `${from} imports ${to}`).toBeLessThan(rank);
      expect(below, `a place in the layers for ${other}`).toBeGreaterThanOrEqual(0);
    }
  });

  test('never form a ring, types counted', () => {
    expect(ringAmong(sources)?.join('\n-> ')).toBeUndefined();
  });

  test('of published sources are declared as dependencies, and files exist', () => {
    for (const { from, to } of sources.flatMap(importsOf)) {
      if (to.startsWith('packages/')) expect(files, `${from} imports it`).toContain(to);
      const name = to.startsWith('packages/')
        ? `@headgate/${packageOf(to)}`
        : to
            .split('/')
            .slice(0, to.startsWith('@') ? 2 : 1)
            .join('/');
      if (name.startsWith('node:') || packageOf(to) === packageOf(from)) continue;
      const { dependencies = {}, peerDependencies = {} } = manifestOf(`packages/${packageOf(from)}`);
      expect(Object.keys({ ...dependencies, ...peerDependencies }), `${from} imports ${name}`).toContain(name);
    }
  });

  test('of Node modules stay out of what runs on any runtime', () => {
    const anyRuntime = sources.filter(
      (file) => /^packages\/(?:core|dialects)\//.test(file) && !/^packages\/core\/src\/(?:node|testing)\//.test(file),
    );
    expect(anyRuntime.length).toBeGreaterThan(50);
    for (const { from, to } of anyRuntime.flatMap(importsOf)) {
      expect(to.startsWith('node:') || builtinModules.includes(to), `${from} imports ${to}`).toBe(false);
    }
  });
});

test('time and chance come in by the door: core asks for neither outside of kernel/', () => {
  const ambient =
    /\b(?:Date\.now|Math\.random|performance\.|setTimeout|setInterval|setImmediate|process\.hrtime|AbortSignal\.timeout|randomUUID|getRandomValues)|\bnew Date\(\)|(?<!new )\bDate\(/;
  for (const file of sources.filter(inCore)) {
    if (corePart(file) !== 'kernel') expect(ambient.exec(codeOf(file))?.[0], file).toBeUndefined();
  }
  expect(ambient.test(codeOf('packages/core/src/kernel/clock.ts')), 'the pattern finds what it should').toBe(true);
});

test('no function is written straight into a property: the runtime would take it for a method, and keep it old', () => {
  const straight =
    /(?<!\bconst [^=\n]*)(?:\.#?\w+|\]) (?:\?\?|\|\|)?= (?:async )?(?:\([^()]*\)(?:: [^=;]+)? =>|\w+ =>|function\b)/;
  for (const file of sources) {
    expect(straight.exec(codeOf(file))?.[0], file).toBeUndefined();
  }
  for (const code of [
    'this.#end = () => {',
    'res.write = (chunk: unknown) => f(chunk)',
    'a.b.c ??= async (x): Promise<void> =>',
  ]) {
    expect(straight.test(code), 'the pattern finds what it should').toBe(true);
  }
});

describe('sources', () => {
  test(`have at most ${linesMax} lines`, () => {
    for (const file of sources) {
      const lines = textOf(file).split('\n').length - 1;
      const allowed = longFiles[file];
      expect(lines, file).toBeLessThanOrEqual(allowed ?? linesMax);
      if (allowed !== undefined) expect(lines, `${file} needs its exception no longer`).toBeGreaterThan(linesMax);
    }
    expect(sources).toEqual(expect.arrayContaining(Object.keys(longFiles)));
  });

  test('publish no type that is `any`', () => {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], { cwd: root });
    for (const source of sources) {
      const file = source.replace('/src/', '/dist/').replace(/\.ts$/, '.d.ts');
      const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|'[^'\n]*'|"[^"\n]*"/g, '');
      expect(/^.*\bany\b.*$/m.exec(text)?.[0], file).toBeUndefined();
    }
  }, 240_000);
});

describe('no file holds', () => {
  const written = files.filter((file) => file !== 'test/unit/tidy.test.ts');
  const holds = (pattern: RegExp, among: readonly string[]): string[] =>
    among.flatMap((file) => {
      const line = textOf(file)
        .split('\n')
        .find((text) => pattern.test(text));
      return line === undefined ? [] : [`${file}: ${line.trim().slice(0, 200)}`];
    });

  test('a marker of work left over', () => {
    expect(
      holds(
        /\b(?:TODO|FIXME|XXX|HACK)\b/,
        written.filter((file) => file !== 'pnpm-lock.yaml'),
      ),
    ).toEqual([]);
  });

  test('a test that is left out, or that leaves out the others', () => {
    const tests = written.filter((file) => /\.test\.ts$/.test(file));
    expect(tests.length).toBeGreaterThan(50);
    expect(
      holds(/\b(?:describe|test|it|suite)\.(?:\w+\.)*(?:only|skip|todo|fails)\b|\bx(?:it|test|describe)\(/, tests),
    ).toEqual([]);
  });

  test('a path or a host of the machine it was written on', () => {
    expect(holds(/\.\.\/shared\b|(?<![\w/])\/(?:work|Users|root)\/|\b[A-Z]:\\\\?Users\b/, written)).toEqual([]);
  });

  test('an address that packages were fetched from: the lock file names versions and their digests only', () => {
    expect(holds(/https?:\/\/|\btarball:/, ['pnpm-lock.yaml'])).toEqual([]);
    expect(files.filter((file) => /(?:^|\/)\.(?:npmrc|yarnrc\S*)$/.test(file))).toEqual([]);
  });
});
