import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ReplayJson } from '../../src/replay/report.js';
import { fileWith, program } from '../support/program.js';

const logs = fileURLToPath(new URL('../fixtures/logs/', import.meta.url));
const nasa = `${logs}nasa-http-19950801-00-08h.log.gz`;
const servegen = `${logs}servegen-deepseek-r1-24h-x0.04.csv.gz`;

async function ran(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const run = program(['replay', ...args]);
  const status = await run.exited;
  return { status, out: run.stdout(), err: run.stderr() };
}

async function replayed(policy: string, log: string): Promise<ReplayJson> {
  const { status, out, err } = await ran(await fileWith(policy), '--log', log, '--json');
  expect([status, err]).toEqual([0, '']);
  return JSON.parse(out) as ReplayJson;
}

const linesOf = (file: string): string[] => gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');

/** The same counted again, by the simplest means: a bucket of `burst` that fills at `rate` a ms, for each client. */
function refusedByBuckets(events: readonly (readonly [who: string, at: number])[], burst: number, rate: number) {
  const buckets = new Map<string, { level: number; at: number }>();
  const refused = new Map<string, number>();
  for (const [who, at] of events) {
    const bucket = buckets.get(who) ?? { level: burst, at };
    buckets.set(who, bucket);
    bucket.level = Math.min(burst, bucket.level + (at - bucket.at) * rate);
    bucket.at = at;
    if (bucket.level >= 1 - 1e-9) bucket.level -= 1;
    else refused.set(who, (refused.get(who) ?? 0) + 1);
  }
  return refused;
}

describe('headgate replay', () => {
  it('counts on a web server’s log what an independent count finds', async () => {
    // `/` says that Ollama is there: a cheap read, which counts on no limit that does not name it.
    const counted = linesOf(nasa).filter((line) => !/"(?:GET|HEAD) \/ HTTP/.test(line));
    const events = counted.map((line): [string, number] => {
      const [, who = '', time = ''] = /^(\S+).*\[01\/Aug\/1995:(\d\d:\d\d:\d\d)/.exec(line)!;
      return [who, Date.parse(`1995-08-01T${time}-04:00`)];
    });
    const refused = refusedByBuckets(events, 5, 10 / 60_000);
    const result = await replayed('requests: 10/min burst 5\n', nasa);
    const total = [...refused.values()].reduce((sum, count) => sum + count, 0);
    expect(result).toMatchObject({
      requests: 13_200,
      refused: total,
      limits: [{ name: 'requests.min', refused: total, identities: refused.size }],
      from: '1995-08-01T06:00:00.000Z',
      unreadable: 0,
    });
    expect(total).toBeGreaterThan(100);
    const { fit } = result.limits[0]!;
    expect(fit!.p100).toBe(mostInPeriod(events, 60_000));
  });

  it('counts tokens of a trace by the day, tenant by tenant', async () => {
    const rows = linesOf(servegen)
      .slice(1)
      .map((line) => line.split(','));
    const used = new Map<string, number>();
    let refused = 0;
    for (const [at = '', who = '', input = '', output = ''] of rows) {
      const key = `${who} ${Math.floor(Number(at) / 86_400_000)}`;
      const before = used.get(key) ?? 0;
      // What is set aside for an answer is bounded by what the limit holds, so only the prompt decides here.
      if (before + Number(input) > 2_000_000) refused++;
      else used.set(key, before + Number(input) + Number(output));
    }
    const result = await replayed('tokens: 2M/day\n', servegen);
    expect(result.requests).toBe(rows.length);
    // The reservation also asks for room for the answer that is expected, so a few more are refused than by the prompt alone.
    expect(result.refused).toBeGreaterThanOrEqual(refused);
    expect(result.refused).toBeLessThanOrEqual(refused * 1.05 + 20);
  });

  it('takes amounts that it says would fit, and refuses nothing then', async () => {
    const { limits } = await replayed('requests: { limit: 10, per: min, algorithm: rolling }\n', nasa);
    const { p100 } = limits[0]!.fit!;
    const fitted = await replayed(`requests: { limit: ${p100}, per: min, algorithm: rolling }\n`, nasa);
    expect(fitted.refused).toBe(0);
    const tighter = await replayed(`requests: { limit: ${p100 - 1}, per: min, algorithm: rolling }\n`, nasa);
    expect(tighter.refused).toBeGreaterThan(0);
  });

  it('counts who is served at once by the times in our own log', async () => {
    const line = (second: number, totalMs: number) =>
      JSON.stringify({
        time: new Date(Date.UTC(2026, 0, 1) + second * 1000 + totalMs).toISOString(),
        requestId: `req_${second}`,
        identity: 'ann',
        operation: 'chat',
        totalMs,
      });
    const log = await fileWith(
      [line(0, 10_000), line(1, 1_000), line(3, 2_000), line(4, 5_000), line(20, 1)].join('\n'),
    );
    const result = await replayed('concurrency: 2\n', log);
    expect(result).toMatchObject({
      requests: 5,
      refused: 1,
      limits: [{ name: 'concurrency', refused: 1, fit: { p100: 3 } }],
    });
  });

  it('says for people whom, when, and what would have fitted', async () => {
    const { status, out } = await ran(await fileWith('requests: 10/min burst 5\nconcurrency: 2\n'), '--log', nasa);
    expect(status).toBe(0);
    expect(out).toMatch(/^13,200 requests in 8\.0 h, 619 of them refused by this policy \(4\.7 %\)\n/);
    expect(out).toMatch(/requests\.min: 10 requests per minute, burst 5\n {2}refused {3}619, of 221: address:198\./);
    expect(out).toMatch(/when {6}\|[ ▁▂▃▄▅▆▇█]{48}\|/);
    expect(out).toContain('would fit 27 for 95 %');
    expect(out).toContain('unknown: the log does not say how long requests took');
  });

  it.each([
    ['/nowhere.log', 'there is no such file'],
    [logs, 'it is a directory; name the file in it'],
    ['hello\n', 'line 1 is "hello"; expected an access log'],
    ['', 'it holds no requests'],
    ['no gzip', 'cannot be read to its end'],
  ])('a log that is %j is refused in one line', async (given, message) => {
    const log = given.startsWith('/') ? given : await fileWith(given, given === 'no gzip' ? 'log.gz' : 'log');
    const found = await ran(await fileWith('requests: 10/min\n'), '--log', log);
    expect([found.status, found.out]).toEqual([1, '']);
    expect(found.err).toContain(message);
    expect(found.err.trimEnd().split('\n')).toHaveLength(1);
  });

  it('needs a log', async () => {
    const found = await ran(await fileWith('requests: 10/min\n'));
    expect([found.status, found.err]).toEqual([2, expect.stringContaining('replay needs --log')]);
  });

  it('passes over lines that are no requests, and says how many', async () => {
    const good = '10.0.0.1 - - [26/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1';
    const log = await fileWith(`${good}\nhalf a l\n\n${good}\n`, 'log');
    const { out } = await ran(await fileWith('requests: 10/min\n'), '--log', log);
    expect(out).toContain('2 requests');
    expect(out).toContain('1 lines are no requests and were passed over, the first is line 2');
  });
});

/** Most of one client in sixty-one sixtieths of the period, cut as the limiter cuts them. */
function mostInPeriod(events: readonly (readonly [who: string, at: number])[], periodMs: number): number {
  const byWho = new Map<string, number[]>();
  for (const [who, at] of events) byWho.set(who, [...(byWho.get(who) ?? []), Math.floor(at / (periodMs / 60))]);
  let most = 0;
  for (const parts of byWho.values()) {
    parts.forEach((part, index) => {
      most = Math.max(most, parts.slice(0, index + 1).filter((one) => one >= part - 60).length);
    });
  }
  return most;
}
