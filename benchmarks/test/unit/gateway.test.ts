/** The rows are what their names say, and the page says what the rounds say. */
import { readFileSync } from 'node:fs';
import { Limiter, type Policy, parsePolicy } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { drawing } from '../../gateway/drawing.js';
import type { SmallRound, StreamRound } from '../../gateway/measures.js';
import { plans } from '../../gateway/plan.js';
import { type gatewayVariants, policyOf } from '../../gateway/policies.js';
import { aims, type Results, type Row, report } from '../../gateway/report.js';
import { apiKey, eventText, requestBytes, smallAnswer, smallWords } from '../../gateway/workloads.js';
import { plot } from '../../lib/plot.js';
import { percentile } from '../../lib/statistics.js';

const place = { backendPort: 1, accessLog: '/dev/null', redisPort: 2 };
const policyFor = (variant: (typeof gatewayVariants)[number]): Policy => parsePolicy(policyOf(variant, place));

describe('the policies', () => {
  test('have as many limits as their names say, all of which apply to a request of the load', () => {
    const counts = (['no limits', 'one limit', 'six layers'] as const).map((variant) => {
      const limiter = new Limiter({ ...policyFor(variant), backends: [] });
      const identity = { id: 'hobby', ...(variant === 'six layers' && { tier: 'free' }) };
      const asked = { identity, operation: 'chat', model: 'llama3.2', run: { id: 'run-1', depth: 0 } } as const;
      const decision = limiter.admitNow({ ...asked, input: { tokens: 64 }, outputTokensMax: 64 });
      expect(decision.admitted).toBe(true);
      return decision.limits.map(({ name }) => name);
    });
    expect(counts[0]).toEqual([]);
    expect(counts[1]).toHaveLength(1);
    // Requests, two of tokens, cost, concurrency and two of a run for the identity; cost and concurrency for all together.
    expect(counts[2]).toHaveLength(9);
  });

  test('know the key that the load sends, and no other', () => {
    const [source] = policyFor('six layers').identity;
    expect(source).toMatchObject({ kind: 'apiKey', keys: [{ id: 'hobby', tier: 'free' }] });
    expect(requestBytes(false, 1)).toContain(`authorization: Bearer ${apiKey}\r\n`);
    expect(policyFor('six layers, Redis').store).toMatchObject({ kind: 'redis', url: 'redis://127.0.0.1:2' });
  });
});

test('the load and the backend speak of the same answers', () => {
  expect(smallAnswer).toContain(smallWords);
  expect(JSON.parse(eventText(' 1 2', false).slice('data: '.length)).choices[0].delta.content).toBe(' 1 2');
  const [head, body] = requestBytes(true, 7, ['x-own: 1']).split('\r\n\r\n') as [string, string];
  expect(head).toContain('x-run-id: run-7\r\nx-own: 1\r\n');
  expect(Number(/content-length: (\d+)/.exec(head)?.[1])).toBe(body.length);
});

const small = (cpuUs: number): SmallRound => ({ perSecond: 1e6 / cpuUs, cpuUs, p50Ms: 1, p99Ms: 2 });
const streamed = (cpuSeconds: number, firstByteP99Ms: number): StreamRound => ({
  ...{ firstByteP50Ms: 1, firstByteP99Ms, chunkP50Ms: 0.5, chunkP99Ms: 1 },
  ...{ cpuSeconds, ended: 100, failed: 0 },
});
const rowsOf = <Round>(rounds: Record<string, Round[]>): Row<Round>[] =>
  Object.entries(rounds).map(([name, each]) => ({ name, rounds: each }));

const results: Results = {
  small: rowsOf({
    direct: [small(1), small(1), small(1)],
    nginx: [small(5), small(5), small(5)],
    'http-proxy-3': [small(50), small(100), small(60)],
    'Headgate, six layers': [small(100), small(150), small(30)],
  }),
  streams: rowsOf({
    direct: [streamed(0, 1)],
    nginx: [streamed(0.1, 2)],
    'http-proxy-3': [streamed(0.5, 3)],
    'Headgate, six layers': [streamed(0.4, 3.5)],
  }),
  more: [],
  held: [
    {
      count: 9_900,
      rows: rowsOf({ 'Headgate, six layers': [{ opened: 9_900, failed: 0, kibEach: 41, cpuShare: 0.1 }] }),
    },
  ],
};

describe('the page', () => {
  test('takes ratios within a round, and says of each aim whether it holds', () => {
    expect(aims(results)).toEqual([
      ['a small request costs no more processor than through bare http-proxy-3', '1.5x (0.5 to 2)', '**no**'],
      ['and 1.3 times less, if it can be', '1.5x (0.5 to 2)', '**no**'],
      ['1,000 streams cost no more processor than through bare http-proxy-3', '0.8x (0.8 to 0.8)', 'yes'],
      ['p99 of the first byte less than 2 ms after nginx, 100 streams', '1.5 ms (1.5 to 1.5)', 'yes'],
      ['an event passes within 0.1 ms of what it takes through nginx (median)', '0 ms (0 to 0)', 'yes'],
      ['9,900 open streams under 40 KiB each', '41 KiB', '**no**'],
    ]);
  });

  test('leaves out what was not measured', () => {
    const machine = { node: '1', v8: '1', system: 's', processors: 'p', memoryGiB: 1, packages: { undici: '1' } };
    const page = report({ ...results, streams: [] }, plans.quick, machine, undefined, 'drawn.svg');
    expect(page).toContain('nginx missing');
    expect(page).toContain('(drawn.svg)');
    expect(page).not.toContain('concurrent streams');
  });
});

describe('the drawing', () => {
  test('has a bar for each row but the backend itself, ours apart, and a colour for the dark', () => {
    const svg = drawing(results);
    expect(svg.match(/<rect /g)).toHaveLength(6);
    expect(svg.match(/"bar own"/g)).toHaveLength(2);
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('keeps names from being taken for markup', () => {
    const value = { median: 1, low: 1, high: 1 };
    expect(plot([{ title: 'a<b & "c"', unit: 'x', bars: [{ label: '<i>', value, own: false }] }])).not.toMatch(
      /<i>|a<b/,
    );
  });
});

test('a percentile is one of the figures, and never beyond the last', () => {
  expect([0, 0.5, 0.99, 1].map((share) => percentile([1, 2, 3, 4], share))).toEqual([1, 3, 4, 4]);
});

test('what the front page says of the gateway is what the last run says', () => {
  const text = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const [, part = ''] = text('README.md').split('## What it costs');
  const claimed = part.split('## ')[0]!.match(/[\d.]+x \([\d.,]+ to [\d.,]+\)/g) ?? [];
  expect(claimed.length).toBeGreaterThan(8);
  const measured = text('benchmarks/results/gateway.md');
  expect(claimed.filter((one) => !measured.includes(one))).toEqual([]);
});
