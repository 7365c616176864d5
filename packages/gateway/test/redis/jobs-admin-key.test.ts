/** Guessing the admin key where it opens the jobs of others. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stillTime } from '../../../../test/support/still-time.js';
import { RedisServer } from '../../../redis/test/support/redis-server.js';
import { ann, bob, job, jobsGateway, type View } from '../support/jobs.js';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.stop());

const key = 'key-of-the-house';
const keys = { 'key-of-ann': { id: 'ann' }, 'key-of-bob': { id: 'bob' } };
const limits = [{ name: 'guessing', per: 'address', failures: '3/min', block: '15min' }];
const none = '/jobs/job_normal_000000000000000000000000';
const bearer = (guess: string) => ({ authorization: `Bearer ${guess}` });

/** Whoever may ask by the policy, with keys that are guesses at the admin's. */
const policies: Readonly<Record<string, object>> = {
  'only declared keys may ask': { identity: [{ apiKey: { keys } }] },
  'any key is a name': { identity: [{ apiKey: { keys, unknown: 'accept' } }] },
  'everyone may ask': { identity: [{ apiKey: { keys, unknown: 'ignore' } }, { address: {} }] },
};

test.each(Object.entries(policies))(
  'where %s, wrong admin keys are blocked like others, whether there is such a job or not; right ones pass',
  async (_, policy) => {
    const { url, submit, ended } = await jobsGateway(redis, { ...policy, admin: { key }, limits });
    stillTime();
    const { id } = (await (await submit(job)).json()) as View;
    await ended(id);
    const ask = (path: string, guess: string, method = 'GET') => fetch(url + path, { method, headers: bearer(guess) });
    const statuses = [];
    for (const [n, path] of [`/jobs/${id}`, none, `/jobs/${id}`].entries()) {
      statuses.push((await ask(path, `guess-${n}`)).status);
    }
    expect(statuses.every((status) => status === 401 || status === 404)).toBe(true);
    for (const path of [`/jobs/${id}`, none]) {
      for (const method of ['GET', 'HEAD', 'DELETE']) {
        const blocked = await ask(path, 'guess-9', method);
        expect([blocked.status, blocked.headers.get('retry-after')], `${method} ${path}`).toEqual([429, '900']);
        expect(blocked.headers.get('x-headgate-reason')).toBe('blocked');
      }
    }
    expect((await ask(`/jobs/${id}`, key)).status).toBe(200);
    expect((await fetch(`${url}/jobs/${id}`, { headers: ann })).status).toBe(200);
    // A client's own key is no guess, whatever it asks for.
    expect((await fetch(`${url}/jobs/${id}`, { headers: bob })).status).toBe(404);
    expect((await fetch(url + none, { headers: bob })).status).toBe(404);
    expect((await ask(`/jobs/${id}`, key, 'DELETE')).status).toBe(204);
  },
);

test('a guess beside a client’s own key is a guess', async () => {
  const identity = [{ apiKey: { from: ['x-api-key', 'path', 'authorization'], keys, unknown: 'ignore' } }];
  const { url } = await jobsGateway(redis, { identity, admin: { key }, limits });
  stillTime();
  const statuses = [];
  for (let i = 0; i < 3; i++) {
    const headers = { ...bearer(`guess-${i}`), 'x-api-key': 'key-of-bob' };
    statuses.push((await fetch(url + none, { headers })).status);
    statuses.push((await fetch(`${url}/k/key-of-bob${none}`, { headers: bearer(`guess-${i}`) })).status);
  }
  expect(statuses).toEqual([404, 404, 404, 429, 429, 429]);
});

test('where there is no admin key to guess, and of who brings none, nothing is counted', async () => {
  const anyone = { identity: [{ address: {} }], limits };
  const open = await jobsGateway(redis, anyone);
  const keyed = await jobsGateway(redis, { ...anyone, admin: { key } });
  for (let i = 0; i < 6; i++) {
    expect((await fetch(open.url + none, { headers: bearer(`guess-${i}`) })).status).toBe(404);
    expect((await fetch(keyed.url + none)).status).toBe(404);
  }
});
