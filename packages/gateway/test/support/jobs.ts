/** A gateway with jobs, on a Redis of the test's. */
import { expect } from 'vitest';
import type { RedisServer } from '../../../redis/test/support/redis-server.js';
import { chat, post, type Setup, type SetupOptions, setup } from './harness.js';

export const keys = { 'key-of-ann': { id: 'ann' }, 'key-of-bob': { id: 'bob' } };
export const identity = [{ apiKey: { from: ['authorization', 'path'], keys } }];
export const ann = { authorization: 'Bearer key-of-ann' };
export const bob = { authorization: 'Bearer key-of-bob' };
export const job = { path: '/api/chat', body: chat };

export interface View {
  readonly id: string;
  readonly state: string;
  readonly [key: string]: unknown;
}

export interface JobsSetup extends Setup {
  readonly prefix: string;
  submit(job: unknown, headers?: Record<string, string>): Promise<Response>;
  view(id: string, headers?: Record<string, string>): Promise<View>;
  ended(id: string, headers?: Record<string, string>): Promise<View>;
}

let gateways = 0;

/** Resolves once the gateway has connected to its queue. */
export async function jobsGateway(
  redis: RedisServer,
  policy: object = {},
  options: SetupOptions = {},
): Promise<JobsSetup> {
  const store = { redis: redis.url, prefix: `test-${++gateways}` };
  const { url, ...rest } = await setup({ identity, store, ...policy }, options);
  const submit = (job: unknown, headers: Record<string, string> = ann) => post(`${url}/jobs`, job, headers);
  const view = async (id: string, headers: Record<string, string> = ann): Promise<View> => {
    const answer = await fetch(`${url}/jobs/${id}`, { headers });
    return (await answer.json()) as View;
  };
  const ended = async (id: string, headers?: Record<string, string>): Promise<View> => {
    await expect.poll(async () => (await view(id, headers)).state, { interval: 20 }).toMatch(/^(done|failed)$/);
    return view(id, headers);
  };
  await expect.poll(async () => (await fetch(`${url}/jobs/x`, { headers: ann })).status).toBe(404);
  return { url, submit, view, ended, prefix: store.prefix, ...rest };
}
