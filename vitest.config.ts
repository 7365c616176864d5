import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { patienceMs } from './test/support/patience.js';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Tests run on the sources: each package name and subpath resolves to its `src`, so nothing has to be built first. */
const sources = readdirSync(`${root}packages`).flatMap((name) => [
  { find: new RegExp(`^@headgate/${name}$`), replacement: `${root}packages/${name}/src/index.ts` },
  {
    find: new RegExp(`^@headgate/${name}/(?!package.json)(.+)$`),
    replacement: `${root}packages/${name}/src/$1/index.ts`,
  },
]);

/** Nothing is bundled here; the page of the dashboard would be looked at for what to bundle. */
const optimizeDeps = { noDiscovery: true, include: [] };

/** One project a kind of proof; the folder under `test/` decides which it is. */
const project = (name: string, testTimeout = 2 * patienceMs) => ({
  optimizeDeps,
  resolve: { alias: sources },
  test: {
    name,
    include: [
      `packages/*/test/${name}/**/*.test.ts`,
      `test/${name}/**/*.test.ts`,
      `examples/*/test/${name}/**/*.test.ts`,
      `benchmarks/test/${name}/**/*.test.ts`,
      `chaos/test/${name}/**/*.test.ts`,
    ],
    testTimeout,
    hookTimeout: testTimeout,
    expect: { poll: { timeout: patienceMs } },
    restoreMocks: true,
  },
});

/** The unit suite of core once more, on a runtime of the edge kind: its own `fetch`, `Request` and streams, and nothing of Node. */
const edge = {
  ...project('edge'),
  test: {
    ...project('edge').test,
    environment: 'edge-runtime',
    pool: 'vmThreads' as const,
    setupFiles: ['packages/core/test/support/without-node.ts'],
    include: ['packages/core/test/unit/**/*.test.ts', 'packages/core/test/edge/**/*.test.ts'],
    // About Node's own requests, about a server of Node's that is told of alerts, and about time, which is measured once.
    exclude: [
      '**/unit/node/**',
      '**/unit/alert/webhooks.test.ts',
      '**/admission/estimate.test.ts',
      '**/http/strict-json.test.ts',
    ],
  },
};

/** These leave nothing behind, in their modules neither, so that each worker reads the sources once and not for every file. */
const unit = { ...project('unit'), test: { ...project('unit').test, isolate: false } };

export default defineConfig({
  optimizeDeps,
  test: {
    // The default leaves a core to whoever watches, which of two is half.
    maxWorkers: '100%',
    passWithNoTests: false,
    projects: [
      unit,
      project('property', 240_000),
      project('conformance'),
      edge,
      project('redis'),
      project('e2e'),
      project('browser'),
      project('pack', 600_000),
    ],
  },
});
