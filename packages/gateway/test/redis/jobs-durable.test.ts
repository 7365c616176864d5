/** Jobs of gateways in processes of their own that are killed, or stand still, and of a Redis that is killed and comes back. */
import type { FakeOllama } from '@headgate/fake-ollama';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { RedisServer } from '../../../redis/test/support/redis-server.js';
import { atEnd, fake, until } from '../support/harness.js';
import { fileWith, program } from '../support/program.js';
import { type Received, type Receiver, receiver } from '../support/receiver.js';

let redis: RedisServer;
let tests = 0;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());

const secret = 'a-secret-of-callbacks';
const bands = ['high', 'normal', 'low'] as const;
const slots = 8;
/** What comes in hundreds, or only after a lease, comes late on a busy machine. */
const wholeMinutes = { timeout: 8 * patienceMs };
const headers = { authorization: 'Bearer key-of-ann', 'content-type': 'application/json' };

interface View {
  readonly id: string;
  readonly state: string;
  readonly priority: string;
  readonly endedAt?: string;
  readonly result?: unknown;
}

async function policyFor(backend: string, to: Receiver, url = redis.url): Promise<string> {
  return fileWith(
    JSON.stringify({
      identity: [{ apiKey: { keys: { 'key-of-ann': { id: 'ann', priority: 'high' } } } }],
      store: { redis: url, prefix: `durable-${++tests}`, onDown: 'closed' },
      backends: [{ url: backend, name: 'gpu', slots }],
      queue: { priority: 'strict', aging: '60s' },
      pool: { eject: { failures: 1_000 } },
      jobs: { lease: '10s', callbacks: { hosts: [to.url], secret, private: 'allow' } },
      log: { access: '/dev/null' },
    }),
    'headgate.json',
  );
}

/** Submits one, under a key where there is one, and says what became of it; a machine so busy that Redis misses its deadline is asked again. */
async function submit(url: string, prompt: string, priority: string, callback: string, key?: string): Promise<string> {
  const body = { model: 'llama3.2', prompt, stream: false };
  for (;;) {
    const job = JSON.stringify({ path: '/api/generate', body, priority, callback });
    const keyed = key === undefined ? headers : { ...headers, 'idempotency-key': key };
    const answer = await fetch(`${url}/jobs`, { method: 'POST', headers: keyed, body: job });
    const view = (await answer.json()) as View;
    if (answer.status === 202) return view.id;
    if (answer.status !== 503) throw new Error(JSON.stringify(view));
  }
}

test(
  'every job of 500 ends once, high before low, though a gateway is killed in the middle',
  wholeMinutes,
  async () => {
    const to = await receiver(secret);
    const backend = await fake({ numParallel: slots, faults: { hang: true } });
    const file = await policyFor(backend.url, to);
    const gateways = [1, 2].map(() => program(['serve', '--config', file, '--port', '0']));
    const urls = await Promise.all(gateways.map((gateway) => gateway.url()));
    // Low first: in order of arrival they would go first.
    const jobs = Array.from({ length: 500 }, (_, n) => ({ n, band: bands[n < 200 ? 2 : n < 350 ? 1 : 0]! }));
    const submitted = new Map<string, (typeof jobs)[number]>();
    for (let from = 0; from < jobs.length; from += 50) {
      const some = jobs.slice(from, from + 50);
      const ids = await Promise.all(
        some.map(({ n, band }) => submit(urls[n % 2]!, `${band} ${n}`, band, `${to.url}/${n}`)),
      );
      for (const [index, id] of ids.entries()) submitted.set(id, some[index]!);
    }
    const early = new Set(promptsOf(backend));
    expect(early.size).toBeLessThanOrEqual(slots);
    backend.set({ hang: false, firstByteDelayMs: 40 });
    await until(() => to.received.length >= 150, '150 are told', 3 * patienceMs);
    gateways[0]!.child.kill('SIGKILL');
    await until(() => new Set(to.received.map(({ body }) => body.id)).size === 500, 'all are told', 3 * patienceMs);

    // Each has ended, once: what its owner sees is what every telling of it said.
    expect(to.received.filter(({ genuine }) => !genuine)).toEqual([]);
    const told = new Map<string, Received[]>();
    for (const one of to.received) told.set(one.body.id, [...(told.get(one.body.id) ?? []), one]);
    expect([...told.keys()].sort()).toEqual([...submitted.keys()].sort());
    for (const [id, tellings] of told) {
      const view = (await (await fetch(`${urls[1]}/jobs/${id}`, { headers })).json()) as View;
      expect(view).toMatchObject({ id, state: 'done', priority: submitted.get(id)!.band });
      for (const { body, path } of tellings) {
        expect([path, body.endedAt, body.result]).toEqual([`/${submitted.get(id)!.n}`, view.endedAt, view.result]);
      }
    }

    // Only what the killed one was running was begun twice.
    const begun = promptsOf(backend);
    expect(new Set(begun).size).toBe(500);
    expect(begun.length - 500).toBeLessThanOrEqual(slots);

    // By priority, but for what the killed one had taken, and for a few when nobody above had arrived yet.
    const order = [...new Set(begun)].filter((prompt) => !early.has(prompt));
    expect(inOrder(order, 'high', 'low')).toBeGreaterThan(0.9);
    expect(inOrder(order, 'high', 'normal')).toBeGreaterThan(0.8);
    expect(inOrder(order, 'normal', 'low')).toBeGreaterThan(0.8);
  },
);

/** Of all pairs of the two priorities, the share of which the higher one went first; by chance it is half. */
function inOrder(order: readonly string[], above: string, below: string): number {
  let [seen, right, pairs] = [0, 0, 0];
  for (const prompt of order) {
    if (prompt.startsWith(above)) seen++;
    if (!prompt.startsWith(below)) continue;
    right += seen;
    pairs++;
  }
  return right / (seen * pairs);
}

const viewOf = async (url: string, id: string): Promise<View> =>
  (await (await fetch(`${url}/jobs/${id}`, { headers })).json()) as View;

test('a gateway that stands still loses its job to another, and what it says of it later counts for nothing', async () => {
  const to = await receiver(secret);
  const backend = await fake({ numParallel: slots, faults: { hang: true } });
  const file = await policyFor(backend.url, to);
  const still = program(['serve', '--config', file, '--port', '0']);
  const id = await submit(await still.url(), 'one', 'high', `${to.url}/one`);
  await until(() => promptsOf(backend).length === 1, 'it runs');
  const other = program(['serve', '--config', file, '--port', '0']);
  const url = await other.url();
  still.child.kill('SIGSTOP');
  await until(() => promptsOf(backend).length === 2, 'the other one runs it');
  // Both get an answer now: the one that stood still wakes to its own.
  backend.set({ hang: false });
  await until(() => to.received.length === 1, 'its end is told');
  const { endedAt } = await viewOf(url, id);
  still.child.kill('SIGCONT');
  // By the end of another job that it takes, it is done with the first.
  other.child.kill('SIGKILL');
  await submit(await still.url(), 'two', 'high', `${to.url}/two`);
  await until(() => to.received.some(({ path }) => path === '/two'), 'it goes on');
  expect(await viewOf(await still.url(), id)).toMatchObject({ state: 'done', endedAt });
  expect(to.received.filter(({ path }) => path === '/one')).toHaveLength(1);
});

test(
  'what was submitted to a gateway that is killed meanwhile, and again to another, is one job each',
  wholeMinutes,
  async () => {
    const to = await receiver(secret);
    const backend = await fake({ numParallel: slots, faults: { hang: true } });
    const file = await policyFor(backend.url, to);
    const gateways = [1, 2].map(() => program(['serve', '--config', file, '--port', '0']));
    const [first, second] = (await Promise.all(gateways.map((gateway) => gateway.url()))) as [string, string];
    const all = Array.from({ length: 60 }, (_, n) => n);
    const leave = (url: string, n: number) => submit(url, `${n}`, 'normal', `${to.url}/${n}`, `order-${n}`);
    const answered = new Map<number, string>();
    const begun = all.map((n) =>
      leave(first, n).then(
        (id) => void answered.set(n, id),
        () => {},
      ),
    );
    // With some of them answered, others are in the middle.
    await until(() => answered.size > 0, 'one is answered');
    gateways[0]!.child.kill('SIGKILL');
    await Promise.all(begun);
    const ids = await Promise.all(all.map((n) => leave(second, n)));
    expect(new Set(ids).size).toBe(60);
    for (const [n, id] of answered) expect(ids[n]).toBe(id);
    backend.set({ hang: false });
    await until(() => new Set(to.received.map(({ path }) => path)).size === 60, 'all are told', 3 * patienceMs);
    expect(new Set(to.received.map(({ body }) => body.id))).toEqual(new Set(ids));
    // Nobody made others beside them.
    expect(await submit(second, 'last', 'low', `${to.url}/last`)).toMatch(/^job_low_/);
    await until(() => to.received.some(({ path }) => path === '/last'), 'the last is told', 3 * patienceMs);
    expect(new Set(to.received.map(({ body }) => body.id)).size).toBe(61);
  },
);

test('jobs survive a Redis that is killed, where it writes what it is told', wholeMinutes, async () => {
  const own = await RedisServer.start({ config: { appendonly: 'yes', appendfsync: 'always' } });
  atEnd(async () => own.stop());
  const to = await receiver(secret);
  const backend = await fake({ numParallel: slots, faults: { hang: true } });
  const gateway = program(['serve', '--config', await policyFor(backend.url, to, own.url), '--port', '0']);
  const url = await gateway.url();
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => submit(url, `${n}`, 'normal', `${to.url}/${n}`)));
  await until(() => promptsOf(backend).length === slots, 'some run');
  own.kill();
  await own.start();
  backend.set({ hang: false });
  await until(() => new Set(to.received.map(({ body }) => body.id)).size === 20, 'all are told', 3 * patienceMs);
  for (const id of ids) expect(await viewOf(url, id)).toMatchObject({ state: 'done' });
});

const promptsOf = ({ seen }: FakeOllama): string[] =>
  seen.flatMap(({ json }) => (json === undefined ? [] : [(json as { prompt: string }).prompt]));
