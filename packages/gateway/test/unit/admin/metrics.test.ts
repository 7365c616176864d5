import { Limiter, parsePolicy } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { leastCpuMs } from '../../../../../test/support/cpu.js';
import { LaterStore } from '../../../../core/test/support/later-store.js';
import { Metrics } from '../../../src/admin/metrics.js';
import type { RequestRecord } from '../../../src/exchange/record.js';
import { recordOf, refusalOf } from '../../support/records.js';

interface Bench {
  readonly limiter: Limiter;
  readonly metrics: Metrics;
  readonly clock: VirtualClock;
  readonly store: LaterStore;
  /** The value of a series, as it is written; undefined when there is none. */
  value(series: string): Promise<number | undefined>;
  lines(): Promise<string[]>;
}

function bench(policy: object = {}): Bench {
  const clock = new VirtualClock();
  const store = new LaterStore(clock);
  const isShared = 'store' in policy;
  const limiter = new Limiter(parsePolicy(policy), { clock, ...(isShared && { store }) });
  const metrics = new Metrics(limiter);
  const lines = async (): Promise<string[]> =>
    (await metrics.page()).text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const value = async (series: string): Promise<number | undefined> => {
    const line = (await lines()).find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };
  return { limiter, metrics, clock, store, value, lines };
}

describe('the metrics of requests', () => {
  test('tell dollars and seconds of accelerators by model and tier', async () => {
    const { metrics, value } = bench();
    const charged = { inputTokens: 10, outputTokens: 19, cost: 0.25, gpuSeconds: 1.5 };
    metrics.observe(recordOf({}, { charged }));
    metrics.observe(recordOf({}, { charged }));
    expect(await value('headgate_cost_dollars_total{model="llama3.2",tier="default"}')).toBe(0.5);
    expect(await value('headgate_gpu_seconds_total{model="llama3.2",tier="default"}')).toBe(3);
  });

  test('compare what was set aside with what came of it, where the backend said what that was', async () => {
    const { metrics, value } = bench();
    const reserved = { inputTokens: 12, outputTokens: 76, outputTokensMax: 100 };
    metrics.observe(recordOf({}, { reserved }));
    metrics.observe(recordOf());
    metrics.observe(recordOf({}, { reserved, cut: 'client gone' }));
    expect(await value('headgate_estimate_ratio_sum{direction="input"}')).toBeCloseTo(2.4);
    expect(await value('headgate_estimate_ratio_count{direction="input"}')).toBe(2);
    // An answer that was cut says nothing of how long it would have been.
    expect(await value('headgate_estimate_ratio_sum{direction="output"}')).toBe(4);
  });

  test('carry the names of the conventions for generative AI', async () => {
    const { metrics, value } = bench();
    metrics.observe(recordOf());
    metrics.observe(recordOf({ operation: 'models' }));
    const pair = 'gen_ai_operation_name="chat",gen_ai_request_model="llama3.2"';
    expect(await value(`gen_ai_server_request_duration_seconds_sum{${pair}}`)).toBe(2);
    expect(await value(`gen_ai_server_time_to_first_token_seconds_sum{${pair}}`)).toBe(0.2);
    // 1.8 s for the 18 tokens after the first.
    expect(await value(`gen_ai_server_time_per_output_token_seconds_sum{${pair}}`)).toBeCloseTo(0.1);
    expect(await value(`gen_ai_client_token_usage_sum{${pair},gen_ai_token_type="input"}`)).toBe(10);
    expect(await value(`gen_ai_client_token_usage_sum{${pair},gen_ai_token_type="output"}`)).toBe(19);
    expect(await value(`gen_ai_server_request_duration_seconds_count{${pair}}`)).toBe(1);
  });

  test('know whether the policy in force is the last one', async () => {
    const { metrics, value } = bench();
    expect(await value('headgate_reload_ok')).toBe(1);
    expect(await value('headgate_reloads_total{outcome="failed"}')).toBe(0);
    metrics.reloaded(false);
    expect(await value('headgate_reload_ok')).toBe(0);
    metrics.reloaded(true);
    expect(await value('headgate_reload_ok')).toBe(1);
    expect(await value('headgate_reloads_total{outcome="failed"}')).toBe(1);
    expect(await value('headgate_reloads_total{outcome="applied"}')).toBe(1);
  });
});

describe('the metrics of a store', () => {
  const shared = { requests: '100/min', store: { redis: 'redis://127.0.0.1:6379', onDown: 'open' } };

  test('tell how long it took, and how decisions are made', async () => {
    const { limiter, clock, store, value } = bench(shared);
    store.latencyMs = 4;
    const asked = limiter.admit({ identity: 'ann' });
    await clock.run(10);
    await asked;
    expect(await value('headgate_store_seconds_sum{outcome="answered"}')).toBe(0.004);
    expect(await value('headgate_store_mode{mode="shared"}')).toBe(1);
    expect(await value('headgate_store_mode{mode="open"}')).toBe(0);
  });

  test('tell that it is gone, and what holds instead', async () => {
    const { limiter, clock, store, value } = bench(shared);
    store.weather = 'gone';
    expect((await limiter.admit({ identity: 'ann' })).admitted).toBe(true);
    await clock.run(1);
    expect(await value('headgate_store_seconds_count{outcome="failed"}')).toBe(1);
    expect(await value('headgate_store_up')).toBe(0);
    expect(await value('headgate_store_mode{mode="shared"}')).toBe(0);
    expect(await value('headgate_store_mode{mode="open"}')).toBe(1);
  });

  test('count what it was never told', async () => {
    const { metrics, value } = bench(shared);
    expect(await value('headgate_settlements_lost_total')).toBe(0);
    metrics.lost(3);
    expect(await value('headgate_settlements_lost_total')).toBe(3);
  });

  test('say memory where it is', async () => {
    const { value } = bench();
    expect(await value('headgate_store_mode{mode="memory"}')).toBe(1);
    expect(await value('headgate_store_mode{mode="shared"}')).toBe(0);
  });
});

describe('the number of series', () => {
  /** Any operation, models past every bound, and tiers, limits and backends that reloads brought and took away. */
  function worst(metrics: Metrics): void {
    const operations = ['chat', 'generate', 'embed'] as const;
    for (let i = 0; i < 3_000; i++) {
      const model = `m${i}`;
      const tier = `tier-${i % 5}`;
      const charged = { inputTokens: 1, outputTokens: 1, cost: 1, gpuSeconds: 1 };
      const reserved = { inputTokens: 1, outputTokens: 1, outputTokensMax: 10 };
      metrics.observe(recordOf({ model, tier, operation: operations[i % 3]! }, { charged, reserved }));
      metrics.observe(refusalOf({ model }, `limit-${i % 30}`));
    }
  }

  test('stays what it is for 100,000 identities and as many models that clients made up', async () => {
    const { metrics, lines } = bench({ backends: [{ url: 'http://b', name: 'b' }] });
    worst(metrics);
    const before = await lines();
    // No backend knows these models: 404, or their clients leave before there is an answer.
    const unknown: Partial<RequestRecord>[] = [
      { status: 404, usage: { inputTokens: 0, outputTokens: 0 } },
      { ...withoutAnswer(), cut: 'client gone', usage: { inputTokens: 10, outputTokens: 0 } },
    ];
    for (let i = 0; i < 100_000; i++) {
      const words = { identity: `id-${i}`, model: `made-up-${i}` };
      metrics.observe(i % 2 === 0 ? recordOf(words, unknown[i % 4 === 0 ? 0 : 1]) : refusalOf(words, 'limit-1'));
    }
    const after = await lines();
    expect(after.length).toBeGreaterThan(1_000);
    // The refused and the unanswered may be the first of their kind; nothing is told by who or what.
    expect(after.length - before.length).toBeLessThan(10);
    expect(after.filter((line) => line.includes('made-up') || line.includes('id-'))).toEqual([]);
    expect(after.length).toBeLessThan(8_000);
  });

  test('lets a model have its name that comes after ten thousand that were made up', async () => {
    const { metrics, value } = bench();
    for (let i = 0; i < 10_000; i++) {
      metrics.observe(recordOf({ model: `made-up-${i}` }, { status: 404, usage: { inputTokens: 0, outputTokens: 0 } }));
      metrics.observe(recordOf({ model: `made-up-${i}` }, { ...withoutAnswer(), usage: { inputTokens: 9 } }));
    }
    metrics.observe(recordOf());
    expect(await value('headgate_tokens_total{direction="output",model="llama3.2",tier="default"}')).toBe(19);
  });

  test('leaves the page cheap: at most forty times as dear as writing as many lines, about a millisecond', async () => {
    const { metrics, lines } = bench({ backends: [{ url: 'http://b', name: 'b' }] });
    worst(metrics);
    const count = (await lines()).length;
    const write = (): string => {
      const labels = ['direction="input"', 'model="llama3.2"', 'tier="default"'];
      return Array.from({ length: count }, (_, i) => `name{${[...labels, `le="${i}"`].join(',')}} ${i}`).join('\n');
    };
    const pageMs = await leastCpuMs(() => metrics.page(), 12);
    expect(pageMs / (await leastCpuMs(write, 12))).toBeLessThan(40);
  });
});

function withoutAnswer(): Partial<RequestRecord> {
  return { firstByteMs: undefined, firstTokenMs: undefined } as unknown as Partial<RequestRecord>;
}
