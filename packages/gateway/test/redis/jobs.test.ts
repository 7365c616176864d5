/** Jobs at one gateway: submitted, run, watched and taken back over HTTP, on a real Redis. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patienceMs } from '../../../../test/support/patience.js';
import { RedisServer } from '../../../redis/test/support/redis-server.js';
import { atEnd, chat, generate, post, type SetupOptions, setup, until } from '../support/harness.js';
import { ann, bob, identity, job, jobsGateway, type View } from '../support/jobs.js';
import { receiver } from '../support/receiver.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());

const gateway = (policy?: object, options?: SetupOptions) => jobsGateway(redis, policy, options);
const long = { ...job, body: { ...chat, stream: true } };

describe('a job', () => {
  test('is accepted with 202 and an address, and its answer is there in the end', async () => {
    const { submit, ended, url, log } = await gateway();
    const answer = await submit(job);
    expect(answer.status).toBe(202);
    const accepted = (await answer.json()) as View;
    expect(answer.headers.get('location')).toBe(`/jobs/${accepted.id}`);
    expect(accepted).toMatchObject({ state: 'waiting', priority: 'normal', path: '/api/chat', model: 'llama3.2' });
    const done = await ended(accepted.id);
    expect(done).toMatchObject({ state: 'done', result: { status: 200, body: { done: true, model: 'llama3.2' } } });
    // It ran as its owner, through the same log as any request.
    expect(log.find(({ requestId }) => requestId === done.requestId)).toMatchObject({ identity: 'ann', status: 200 });
    expect((await fetch(`${url}/jobs/${accepted.id}`, { method: 'DELETE', headers: ann })).status).toBe(204);
    expect((await fetch(`${url}/jobs/${accepted.id}`, { headers: ann })).status).toBe(404);
  });

  test('may be of any dialect, with a stream for an answer, and with the key in the path', async () => {
    const { url, ended } = await gateway();
    const openai = { path: '/v1/chat/completions', body: { ...chat, stream: true } };
    const { id } = (await (await post(`${url}/k/key-of-ann/jobs`, openai)).json()) as View;
    const done = await ended(id);
    expect(done.result).toMatchObject({ status: 200, contentType: expect.stringContaining('text/event-stream') });
    expect((done.result as { body: string }).body).toMatch(/data: \[DONE\]\n\n$/);
  });

  test('is nobody else’s to see or to remove, but the bearer’s of the admin key', async () => {
    const { submit, ended, url } = await gateway({ admin: { key: 'key-of-the-house' } });
    const { id } = (await (await submit(job)).json()) as View;
    await ended(id);
    for (const method of ['GET', 'DELETE']) {
      expect((await fetch(`${url}/jobs/${id}`, { method, headers: bob })).status).toBe(404);
    }
    const admin = { authorization: 'Bearer key-of-the-house' };
    expect(await ended(id, admin)).toMatchObject({ id, state: 'done' });
    expect((await fetch(`${url}/jobs/${id}`, { method: 'DELETE', headers: admin })).status).toBe(204);
  });

  test('tells how far it is, is ended in the middle, and gives its slot back', async () => {
    const slow = { decodeTokensPerSecond: 20, outputTokens: 500 };
    const { submit, view, url, gateway: own } = await gateway({}, { backends: [slow] });
    const { id } = (await (await submit(long)).json()) as View;
    const tokens = async () => ((await view(id)).progress as { outputTokens: number }).outputTokens;
    await expect.poll(tokens).toBeGreaterThan(5);
    const answer = await fetch(`${url}/jobs/${id}`, { method: 'DELETE', headers: ann });
    expect([answer.status, await answer.json()]).toEqual([202, { id, state: 'cancelling' }]);
    await expect.poll(async () => (await fetch(`${url}/jobs/${id}`, { headers: ann })).status).toBe(404);
    expect(own.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  test('that its own backend fails is made again, as often as `tries`', async () => {
    const { submit, ended, backend } = await gateway({ jobs: { tries: 2 } });
    backend.set({ resetBeforeFirstByte: true, times: 1 });
    const { id } = (await (await submit(job)).json()) as View;
    expect(await ended(id)).toMatchObject({ state: 'done', progress: { failures: 1 } });
    backend.set({ dieAfterTokens: 3, times: Number.MAX_SAFE_INTEGER });
    const { id: second } = (await (await submit(long)).json()) as View;
    expect(await ended(second)).toMatchObject({ state: 'failed', error: { reason: 'backend-error', status: 502 } });
  });

  test('over a limit waits as long as it is told, and those behind it come in turn', async () => {
    const { submit, ended, log } = await gateway({ requests: '2/s burst 1' });
    // A machine that takes half a second for each has none refused, and shows nothing.
    for (let refused = 0; refused === 0; ) {
      log.length = 0;
      const ids = await Promise.all(
        Array.from({ length: 12 }, async () => ((await (await submit(job)).json()) as View).id),
      );
      for (const id of ids) expect((await ended(id)).state).toBe('done');
      refused = log.filter(({ reason }) => reason === 'limit').length;
      // Asked for together whenever they may be, they would be refused 66 times.
      expect(refused).toBeLessThan(45);
    }
  });

  test('whose answer is larger than is kept has failed', async () => {
    const { submit, ended } = await gateway({ jobs: { result: '100KiB' } }, { backends: [{ outputTokens: 5_000 }] });
    const { id } = (await (await submit(long)).json()) as View;
    expect(await ended(id)).toMatchObject({ state: 'failed', error: { reason: 'too-large', status: 413 } });
  });
});

describe('jobs of several priorities', () => {
  const identity = [{ apiKey: { keys: { 'key-of-ann': { id: 'ann', priority: 'high' } } } }];
  const slow = { slots: 1, backends: [{ faults: { firstByteDelayMs: 40 } }] };
  const promptsOf = (seen: readonly { json?: unknown }[]): string[] =>
    seen.map(({ json }) => (json as { prompt: string }).prompt);
  const of = (priority: string, prompt = priority) => ({
    ...{ path: '/api/generate', body: { ...generate, prompt } },
    priority,
  });

  test('go by them, but a low one that has aged does not wait for all the high ones', async () => {
    const queue = { priority: 'strict', aging: '500ms' };
    const { submit, ended, backend } = await gateway({ identity, queue }, slow);
    backend.set({ hang: true });
    await submit(of('high', 'first'));
    const low = (await (await submit(of('low'))).json()) as View;
    await Promise.all(Array.from({ length: 60 }, () => submit(of('high'))));
    backend.set({ hang: false });
    await ended(low.id);
    expect(promptsOf(backend.seen).indexOf('low')).toBeLessThan(40);
  });

  test('of one identity take turns with those of another, however many came first', async () => {
    const { submit, ended, backend } = await gateway({}, slow);
    backend.set({ hang: true });
    await Promise.all(Array.from({ length: 20 }, () => submit(of('normal', 'ann'))));
    const { id } = (await (await submit(of('normal', 'bob'), bob)).json()) as View;
    backend.set({ hang: false });
    await ended(id, bob);
    expect(promptsOf(backend.seen).length).toBeLessThan(10);
  });
});

test('jobs of a gateway that is stopped are run by the next one, but for those that it could still end', async () => {
  const policy = { store: { redis: redis.url, prefix: `restart-${process.pid}` } };
  const first = await gateway(policy, { backends: [{ faults: { hang: true } }] });
  const ids = await Promise.all(
    Array.from({ length: 12 }, async () => ((await (await first.submit(job)).json()) as View).id),
  );
  await until(() => first.backend.seen.length === 4, 'some run');
  const closed = first.gateway.close({ drainMs: patienceMs });
  await until(() => first.gateway.limiter.stats().waiting === 0, 'those that wait go back');
  first.backend.set({ hang: false });
  await closed;
  const second = await gateway(policy);
  for (const id of ids) expect(await second.ended(id)).toMatchObject({ state: 'done', progress: { failures: 0 } });
  expect([first.backend.seen.length, second.backend.seen.length]).toEqual([4, 8]);
});

describe('a submission', () => {
  const models = ['llama3.2'];
  const policy = { models, input: 100, requests: '1000/min', jobs: { body: '64KiB', perIdentity: 3 } };

  test.each([
    ['with a wrong key', job, 401, { authorization: 'Bearer wrong' }],
    ['that is no JSON', '{"path": ', 400, ann],
    ['with a key twice, however it is spelt', '{"path":"/api/chat","PATH":"/api/tags","body":{}}', 400, ann],
    ['without a body', { path: '/api/chat' }, 400, ann],
    ['of something else than a job', { ...job, retries: 3 }, 400, ann],
    ['of a priority that is none', { ...job, priority: 'urgent' }, 400, ann],
    ['for a path that is none', { path: '/api/chatter', body: chat }, 404, ann],
    ['for a listing', { path: '/api/show', body: { model: 'llama3.2' } }, 400, ann],
    ['for managing models', { path: '/api/pull', body: { model: 'llama3.2' } }, 403, ann],
    ['whose request the dialect would refuse', { path: '/api/chat', body: { ...chat, messages: 'hi' } }, 400, ann],
    ['of a model that is not allowed', { path: '/api/chat', body: { ...chat, model: 'mistral' } }, 403, ann],
    [
      'of a prompt that is too long',
      { path: '/api/generate', body: { ...generate, prompt: 'word '.repeat(999) } },
      413,
      ann,
    ],
    ['that is too large', { path: '/api/generate', body: { ...generate, prompt: 'x'.repeat(70_000) } }, 413, ann],
    ['with a callback where none are sent', { ...job, callback: 'https://hooks.example/x' }, 403, ann],
    ['with a callback that is no address', { ...job, callback: 'file:///etc/passwd' }, 400, ann],
  ])('%s is refused', async (_, body, status, headers) => {
    const { submit, backend } = await gateway(policy);
    const answer = await submit(body, headers);
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining('"error"')]);
    expect(backend.seen).toEqual([]);
  });

  test('that no limit ever has room for is refused, and one that must wait is not', async () => {
    const { submit } = await gateway({ tokens: '50/hour', identity });
    const prompt = { path: '/api/generate', body: { ...generate, prompt: 'word '.repeat(200) } };
    const never = await submit(prompt);
    expect([never.status, never.headers.get('retry-after'), never.headers.get('x-headgate-limit')]).toEqual([
      429,
      null,
      null,
    ]);
    expect((await submit(job)).status).toBe(202);
  });

  test('beyond the bounds for one identity, or for all, is refused, and places come back', async () => {
    const backends = [{ faults: { hang: true } }];
    const { submit, ended, backend, url } = await gateway({ jobs: { perIdentity: 2, depth: 3 } }, { backends });
    const ids: string[] = [];
    for (let i = 0; i < 2; i++) ids.push(((await (await submit(job)).json()) as View).id);
    const third = await submit(job);
    expect([third.status, third.headers.get('x-headgate-reason')]).toEqual([503, 'queue-full']);
    expect((await submit(job, bob)).status).toBe(202);
    expect((await submit(job, bob)).status).toBe(503);
    backend.set({ hang: false });
    for (const id of ids) await ended(id);
    await expect.poll(async () => (await submit(job)).status).toBe(202);
    expect((await fetch(`${url}/jobs`, { headers: ann })).status).toBe(405);
  });

  test('finds the places of jobs that a killed gateway never got to write down', async () => {
    const { submit, prefix } = await gateway({ jobs: { perIdentity: 2 } });
    const client = new Redis(redis.url);
    atEnd(async () => client.disconnect());
    const lost = [1, 2].map((n) => `job_normal_${String(n).padStart(24, '0')}`);
    const place = (ageMs: number) => String(2 ** 42 + Date.now() - ageMs);
    // What was taken a moment ago may be about to be added.
    for (const id of lost) await client.zadd(`{${prefix}:jobs}:open:ann`, place(1_000), id);
    expect((await submit(job)).status).toBe(503);
    await client.del(`{${prefix}:jobs}:reclaim:ann`);
    for (const id of lost) await client.zadd(`{${prefix}:jobs}:open:ann`, place(61_000), id);
    expect((await submit(job)).status).toBe(202);
  });

  test('gets no priority above its own identity’s', async () => {
    const keys = { 'key-of-ann': { id: 'ann', priority: 'low' }, 'key-of-bob': { id: 'bob', priority: 'high' } };
    const { submit } = await gateway({ identity: [{ apiKey: { keys } }] });
    const got = async (priority: string, headers: Record<string, string>) =>
      ((await (await submit({ ...job, priority }, headers)).json()) as View).priority;
    expect(await got('high', ann)).toBe('low');
    expect([await got('high', bob), await got('low', bob)]).toEqual(['high', 'low']);
  });
});

describe('a callback', () => {
  const secret = 'a-secret-of-callbacks';

  test('tells the end of a job, signed, and again until it is taken', async () => {
    const to = await receiver(secret);
    to.statuses.push(500);
    const callbacks = { hosts: [`http://127.0.0.1:${to.port}`], secret, private: 'allow' };
    const { submit, view } = await gateway({ jobs: { callbacks } });
    const { id } = (await (await submit({ ...job, callback: `${to.url}/done?of=ann` })).json()) as View;
    await until(() => to.received.length === 2, 'it is told twice');
    expect(to.received.map(({ genuine, path, body }) => [genuine, path, body.id, body.state])).toEqual([
      [true, '/done?of=ann', id, 'done'],
      [true, '/done?of=ann', id, 'done'],
    ]);
    expect(to.received[0]!.body).toMatchObject({ event: 'job-ended', result: { status: 200 } });
    await expect.poll(async () => (await view(id)).callback).toMatchObject({ state: 'sent' });
  });

  test('follows no redirect', async () => {
    const [to, other] = [await receiver(secret), await receiver(secret)];
    to.headers.location = other.url;
    to.statuses.push(307, 302, 301);
    const hosts = [to, other].map(({ port }) => `http://127.0.0.1:${port}`);
    const { submit } = await gateway({ jobs: { callbacks: { hosts, secret, private: 'allow' } } });
    await submit({ ...job, callback: to.url });
    await until(() => to.received.length >= 2, 'it is told twice');
    expect(other.received).toEqual([]);
  });

  test('to an address of this machine is not sent unless the policy says so, by name or by number', async () => {
    const to = await receiver(secret);
    const hosts = [`http://127.0.0.1:${to.port}`, `http://localhost:${to.port}`];
    const { submit, ended, view } = await gateway({ jobs: { callbacks: { hosts, secret } } });
    expect((await submit({ ...job, callback: to.url })).status).toBe(403);
    // Of a name it is known only when it is looked up.
    const { id } = (await (await submit({ ...job, callback: `http://localhost:${to.port}/x` })).json()) as View;
    expect((await ended(id)).state).toBe('done');
    await expect.poll(async () => (await view(id)).callback).toMatchObject({ state: 'failed', tries: 1 });
    expect(to.received).toEqual([]);
  });

  test('of a job that was taken back is not sent', async () => {
    const to = await receiver(secret);
    const callbacks = { hosts: [`http://127.0.0.1:${to.port}`], secret, private: 'allow' };
    const { submit, url, backend } = await gateway({ jobs: { callbacks } }, { backends: [{ faults: { hang: true } }] });
    const { id } = (await (await submit({ ...job, callback: to.url })).json()) as View;
    await until(() => backend.seen.length === 1, 'it runs');
    expect((await fetch(`${url}/jobs/${id}`, { method: 'DELETE', headers: ann })).status).toBe(202);
    await expect.poll(async () => (await fetch(`${url}/jobs/${id}`, { headers: ann })).status).toBe(404);
    backend.set({ hang: false });
    const { id: next } = (await (await submit({ ...job, callback: to.url })).json()) as View;
    await until(() => to.received.length > 0, 'the next is told');
    expect(to.received.map(({ body }) => body.id)).toEqual([next]);
  });
});

test('without Redis it is said what jobs need', async () => {
  const { url } = await setup({ identity });
  const answer = await post(`${url}/jobs`, job, ann);
  expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining('store: redis://')]);
});

test('how many jobs wait and run is a metric', async () => {
  const { submit, url } = await gateway({}, { slots: 1, backends: [{ faults: { hang: true } }] });
  for (let i = 0; i < 4; i++) await submit(job);
  const jobs = async (): Promise<string> =>
    (await (await fetch(`${url}/metrics`)).text()).match(/^headgate_jobs.*$/gm)?.join(' ') ?? '';
  await expect.poll(jobs, { interval: 100 }).toBe('headgate_jobs{state="waiting"} 2 headgate_jobs{state="running"} 2');
});

test('a gateway that takes no more jobs shows those it has', async () => {
  const { submit, ended, view, gateway: own } = await gateway();
  const { id } = (await (await submit(job)).json()) as View;
  await ended(id);
  await own.reload({ ...own.policy, jobs: { ...own.policy.jobs, depth: 0 } });
  expect((await submit(job)).status).toBe(501);
  expect((await view(id)).state).toBe('done');
});

test('while Redis is away a submission is refused for now', async () => {
  const own = await RedisServer.start();
  atEnd(async () => own.stop());
  const { submit } = await gateway({ store: { redis: own.url } });
  own.kill();
  const answer = await submit(job);
  expect([answer.status, answer.headers.get('x-headgate-reason')]).toEqual([503, 'store-down']);
  expect(answer.headers.get('retry-after')).toBe('5');
});
