/** Submissions with an idempotency key: sent again, at once, in vain, and by others. */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisServer } from '../../../redis/test/support/redis-server.js';
import { atEnd, chat, type SetupOptions, until } from '../support/harness.js';
import { ann, bob, type JobsSetup, job, jobsGateway, type View } from '../support/jobs.js';
import { receiver } from '../support/receiver.js';

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());
beforeEach(() => {
  client = new Redis(redis.url);
  atEnd(async () => client.disconnect());
});

const gateway = (policy?: object, options?: SetupOptions) => jobsGateway(redis, policy, options);
/** Two on the same jobs, whose backends do not answer unless they are told to. */
async function two(policy: object = {}): Promise<[JobsSetup, JobsSetup]> {
  const store = { redis: redis.url, prefix: `two-${Math.random().toString(36).slice(2)}` };
  const hanging = { backends: [{ faults: { hang: true } }] };
  return [await gateway({ store, ...policy }, hanging), await gateway({ store, ...policy }, hanging)];
}

const hanging = { backends: [{ faults: { hang: true } }] };
const keyed = (key: string, headers: Record<string, string> = ann) => ({ ...headers, 'idempotency-key': key });
const idOf = async (answer: Response): Promise<string> => ((await answer.json()) as View).id;
const replayed = (answer: Response) => [answer.status, answer.headers.get('idempotent-replayed')];
const other = { ...job, body: { ...chat, messages: [{ role: 'user', content: 'something else' }] } };

describe('a submission with an idempotency key', () => {
  test('that is sent again is answered with its job as it is now, which is made once', async () => {
    const { submit, ended, backend, log } = await gateway();
    const first = await submit(job, keyed('order-1'));
    expect(replayed(first)).toEqual([202, null]);
    const id = await idOf(first);
    await ended(id);
    for (const key of ['order-1', '"order-1"']) {
      const again = await submit(job, keyed(key));
      expect(replayed(again)).toEqual([202, 'true']);
      expect(again.headers.get('location')).toBe(`/jobs/${id}`);
      expect(await again.json()).toMatchObject({ id, state: 'done', result: { status: 200 } });
    }
    expect(backend.seen).toHaveLength(1);
    expect(log.filter(({ operation }) => operation === 'chat')).toHaveLength(1);
    expect(await idOf(await submit(job, keyed('order-2')))).not.toBe(id);
    expect(await idOf(await submit(job))).not.toBe(id);
  });

  test('of something else is 422, whatever differs, and changes nothing', async () => {
    const callbacks = { hosts: ['hooks.example'], secret: 'a-secret-of-callbacks' };
    const { submit, view } = await gateway({ jobs: { callbacks } }, hanging);
    const id = await idOf(await submit(job, keyed('order-1')));
    for (const one of [
      other,
      { ...job, path: '/v1/chat/completions' },
      { ...job, priority: 'low' },
      { ...job, callback: 'https://hooks.example/done' },
    ]) {
      const answer = await submit(one, keyed('order-1'));
      expect(answer.status).toBe(422);
      expect(await answer.json()).toEqual({ error: expect.stringMatching(/idempotency key .* another submission/) });
    }
    expect(replayed(await submit({ ...job, priority: 'normal' }, keyed('order-1')))).toEqual([202, 'true']);
    expect((await view(id)).priority).toBe('normal');
  });

  test('that is refused has used no key', async () => {
    const { submit } = await gateway({ jobs: { perIdentity: 1 } }, hanging);
    expect((await submit({ ...job, path: '/api/chatter' }, keyed('order-1'))).status).toBe(404);
    await submit(job, keyed('order-2'));
    expect((await submit(job, keyed('order-1'))).status).toBe(503);
    expect(replayed(await submit(job, keyed('order-2')))).toEqual([202, 'true']);
    expect((await submit(other, keyed('order-1'))).status).toBe(503);
  });

  test('is of its own identity: the same key of another is another', async () => {
    const { submit } = await gateway({}, hanging);
    const id = await idOf(await submit(job, keyed('order-1')));
    const theirs = await submit(other, keyed('order-1', bob));
    expect(replayed(theirs)).toEqual([202, null]);
    expect(await idOf(theirs)).not.toBe(id);
  });

  test('is answered again though no job is taken any more, of this identity or of this model', async () => {
    const { submit, gateway: own } = await gateway({ jobs: { perIdentity: 1 } }, hanging);
    const id = await idOf(await submit(job, keyed('order-1')));
    expect((await submit(job, keyed('order-2'))).status).toBe(503);
    expect(await idOf(await submit(job, keyed('order-1')))).toBe(id);
    await own.reload({ ...own.policy, jobs: { ...own.policy.jobs, depth: 1, perIdentity: 5 } });
    expect((await submit(job, keyed('order-2'))).status).toBe(503);
    expect(await idOf(await submit(job, keyed('order-1')))).toBe(id);
    const { default: tier } = own.policy.tiers;
    await own.reload({ ...own.policy, tiers: { default: { ...tier, models: ['mistral'] } } });
    expect((await submit(job, keyed('order-2'))).status).toBe(403);
    expect(await idOf(await submit(job, keyed('order-1')))).toBe(id);
  });

  test('is forgotten with its job, and leaves its key nowhere', async () => {
    const { submit, url, ended, prefix } = await gateway();
    const id = await idOf(await submit(job, keyed('order-of-the-day')));
    await ended(id);
    const stored = await client.keys(`*${prefix}*`);
    const dumps = await Promise.all(stored.map((name) => client.dumpBuffer(name)));
    expect([...stored, ...dumps.map(String)].filter((text) => text.includes('order-of-the-day'))).toEqual([]);
    expect((await fetch(`${url}/jobs/${id}`, { method: 'DELETE', headers: ann })).status).toBe(204);
    const next = await submit(other, keyed('order-of-the-day'));
    expect(replayed(next)).toEqual([202, null]);
    const nextId = await idOf(next);
    expect(nextId).not.toBe(id);
    expect((await ended(nextId)).state).toBe('done');
  });

  test.each([
    ['with nothing in it', ''],
    ['with nothing in its quotes', '""'],
    ['with a space', 'order 1'],
    ['that stands twice', 'order-1, order-1'],
    ['with a quote that does not end', '"order-1'],
    ['with a quote in the middle', '"or"der"'],
    ['with a parameter', '"order-1";v=2'],
    ['that is too long', 'x'.repeat(256)],
  ])('%s is refused', async (_, key) => {
    const { submit } = await gateway({}, hanging);
    const answer = await submit(job, keyed(key));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ error: expect.stringMatching(/Idempotency-Key.*1 to 255 visible/) });
  });

  test.each([
    ['as long as it may be', 'x'.repeat(255), `"${'x'.repeat(255)}"`],
    ['of any visible characters', "!#$%&'()*+-./:;<=>?@[]^_`{|}~", `"!#$%&'()*+-./:;<=>?@[]^_\`{|}~"`],
    ['with what is escaped in quotes', 'a\\b', '"a\\\\b"'],
  ])('%s is the same bare and quoted', async (_, bare, quoted) => {
    const { submit } = await gateway({}, hanging);
    const id = await idOf(await submit(job, keyed(bare)));
    expect(await idOf(await submit(job, keyed(quoted)))).toBe(id);
  });
});

describe('at two gateways', () => {
  test('many at the same moment are one job, with one place, told of once', async () => {
    const to = await receiver('a-secret-of-callbacks');
    const callbacks = { hosts: [`http://127.0.0.1:${to.port}`], secret: 'a-secret-of-callbacks', private: 'allow' };
    const gateways = await two({ jobs: { callbacks, perIdentity: 2 } });
    const told = { ...job, callback: `${to.url}/done` };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => gateways[n % 2]!.submit(told, keyed('order-1'))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(202));
    const ids = new Set(await Promise.all(answers.map(idOf)));
    expect(ids.size).toBe(1);
    // One place is left.
    const { submit } = gateways[0];
    expect([(await submit(told)).status, (await submit(told)).status]).toEqual([202, 503]);
    for (const { backend } of gateways) backend.set({ hang: false });
    await until(() => to.received.length >= 2, 'both are told');
    for (const id of ids) expect((await gateways[1].ended(id)).state).toBe('done');
    expect(gateways.map(({ backend }) => backend.seen.length).reduce((a, b) => a + b)).toBe(2);
    expect(to.received.filter(({ body }) => ids.has(body.id))).toHaveLength(1);
  });

  test('of two different ones at the same moment one is taken, and the other is 422', async () => {
    const gateways = await two();
    for (let round = 0; round < 10; round++) {
      const key = keyed(`order-${round}`);
      const answers = await Promise.all([
        gateways[0].submit({ ...job, priority: 'low' }, key),
        gateways[1].submit({ ...other, priority: 'normal' }, key),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 422]);
    }
  });
});

describe('a gateway that was killed between the key and the job', () => {
  /** What it leaves behind: the key and a place, of a job that never was. */
  async function half({ prefix }: JobsSetup, key: string, submission: unknown[], at = Date.now()): Promise<string> {
    const id = `job_normal_${'0'.repeat(23)}1`;
    const sha = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex');
    await client.set(`{${prefix}:jobs}:again:${sha(['ann', key])}`, `${id} ${sha(submission)} ${at}`);
    await client.zadd(`{${prefix}:jobs}:open:ann`, '1', id);
    return id;
  }
  const same = [job.path, job.body, 'normal', null];

  test('leaves a job that the same submission makes, in the place that it has', async () => {
    const own = await gateway({ jobs: { perIdentity: 1 } }, { backends: [{ faults: { hang: true } }] });
    const id = await half(own, 'order-1', same);
    // As if one by that id had been taken back, and its gateway killed before it gave the place back.
    await client.set(`{${own.prefix}:jobs}:cancel:${id}`, '1');
    const answer = await own.submit(job, keyed('order-1'));
    expect(answer.status).toBe(202);
    expect(await idOf(answer)).toBe(id);
    await until(() => own.backend.seen.length === 1, 'it runs');
    expect(await client.keys(`*:cancel:${id}`)).toEqual([]);
    own.backend.set({ hang: false });
    expect((await own.ended(id)).state).toBe('done');
    await expect.poll(async () => (await own.submit(job)).status).toBe(202);
  });

  test('leaves one that is taken though no other is: it has had its place before', async () => {
    const own = await gateway({ jobs: { depth: 1 } }, hanging);
    expect((await own.submit(other)).status).toBe(202);
    const id = await half(own, 'order-1', same);
    expect((await own.submit(job)).status).toBe(503);
    expect(await idOf(await own.submit(job, keyed('order-1')))).toBe(id);
  });

  test('keeps another submission off for a minute, and no longer', async () => {
    const own = await gateway({ jobs: { perIdentity: 1 } });
    const id = await half(own, 'order-1', same);
    expect((await own.submit(other, keyed('order-1'))).status).toBe(422);
    await half(own, 'order-1', same, Date.now() - 61_000);
    const answer = await own.submit(other, keyed('order-1'));
    expect(replayed(answer)).toEqual([202, null]);
    expect(await idOf(answer)).not.toBe(id);
  });
});

test('after a submission that failed because Redis was away, the same one makes one job', async () => {
  const server = await RedisServer.start({ config: { appendonly: 'yes', appendfsync: 'always' } });
  atEnd(async () => server.stop());
  const { submit, ended, backend } = await gateway({ store: { redis: server.url } });
  server.kill();
  expect((await submit(job, keyed('order-1'))).status).toBe(503);
  await server.start();
  await expect.poll(async () => (await submit(job, keyed('order-1'))).status).toBe(202);
  const id = await idOf(await submit(job, keyed('order-1')));
  expect((await ended(id)).state).toBe('done');
  expect(backend.seen).toHaveLength(1);
});
