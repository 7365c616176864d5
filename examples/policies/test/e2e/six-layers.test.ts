import { fileURLToPath } from 'node:url';
import { type AdmitRequest, Limiter, type Permit, type Policy } from '@headgate/core';
import { VirtualClock } from '@headgate/core/testing';
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import { type Gateway, readPolicyFile, startGateway } from '@headgate/gateway';
import { afterEach, describe, expect, test } from 'vitest';

const file = fileURLToPath(new URL('../../six-layers.yaml', import.meta.url));
const keys = { FREE_KEY: 'free-key-0001', PRO_KEY: 'pro-key-0001', ENTERPRISE_KEY: 'enterprise-key-0001' };
const hour = 3_600_000;

const policy: Policy = await readPolicyFile(file, keys);

/** The policy's limits without its backends, on a clock that is told the time. */
function limiterOf() {
  const clock = new VirtualClock();
  const limiter = new Limiter({ ...policy, backends: [] }, { clock });
  const alerts: string[] = [];
  limiter.on('limit-alert', ({ limit, subject }) => alerts.push(`${limit} of ${subject}`));
  return { clock, limiter, alerts };
}

const heavy = { model: 'mistral:7b', input: { tokens: 20_000 }, outputTokensMax: 4_096 } as const;

function ask(limiter: Limiter, request: AdmitRequest): Permit | string {
  const decision = limiter.admitNow({ identity: 'hobby', ...heavy, ...request });
  return decision.admitted ? decision.permit : (decision.refusal.limit ?? decision.refusal.reason);
}

/** Asks until refused, each answer as long as allowed; what refused, and how many were answered. */
function exhaust(limiter: Limiter, request: AdmitRequest, between: () => void = () => {}): [string, number] {
  for (let answered = 0; answered < 5_000; answered++) {
    const permit = ask(limiter, request);
    if (typeof permit === 'string') return [permit, answered];
    permit.settle({ inputTokens: 20_000, outputTokens: 4_000 });
    between();
  }
  throw new Error('never refused');
}

describe('the layers, each crossed', () => {
  test('1: how often', () => {
    const { limiter } = limiterOf();
    const small = { input: { tokens: 10 }, outputTokensMax: 10 };
    let answered = 0;
    for (let permit = ask(limiter, small); typeof permit !== 'string'; permit = ask(limiter, small)) {
      permit.settle({ inputTokens: 10, outputTokens: 10 });
      answered++;
    }
    expect([answered, ask(limiter, small)]).toEqual([10, 'free.requests.min']);
    expect(typeof ask(limiter, { ...small, identity: 'studio' })).toBe('object');
  });

  test('2: how many tokens in an hour, and in a day, with a word at 80 %', () => {
    const { limiter, alerts } = limiterOf();
    const cheap = { model: 'llama3.2' };
    expect(exhaust(limiter, cheap)).toEqual(['free.tokens.hour', 4]);
    expect(alerts).toEqual(['free.tokens.hour of hobby']);
    const slow = limiterOf();
    // Three an hour; twenty of 24,000 tokens are a day's.
    expect(exhaust(slow.limiter, cheap, () => slow.clock.advance(0.35 * hour))).toEqual(['free.tokens.day', 20]);
    expect(slow.alerts).toContain('free.tokens.day of hobby');
  });

  test('3: how much money of one, and of all together', () => {
    const { limiter, clock, alerts } = limiterOf();
    // $0.32 each: fifteen make $4.80, and no hour sees more than three of them.
    const [limit, answered] = exhaust(limiter, {}, () => clock.advance(0.35 * hour));
    expect([limit, answered]).toEqual(['free.cost.day', 15]);
    expect(alerts).toContain('free.cost.day of hobby');
    expect(exhaust(limiter, { identity: 'factory' }, () => clock.advance(1_000))[0]).toBe('spend');
    expect(alerts).toContain('spend of *');
    expect(ask(limiter, { identity: 'studio' })).toBe('spend');
  });

  test('4: how many at once, of one and of all', () => {
    const { limiter } = limiterOf();
    const small = { input: { tokens: 10 }, outputTokensMax: 10 };
    const held = Array.from({ length: 6 }, () => ask(limiter, small));
    expect(held.map((permit) => typeof permit)).toEqual([...Array(5).fill('object'), 'string']);
    expect(held[5]).toBe('free.concurrency');
    const factory = Array.from({ length: 21 }, () => ask(limiter, { ...small, identity: 'factory' }));
    expect(factory.filter((permit) => typeof permit === 'object')).toHaveLength(20);
  });

  test('5: how large, in and out', () => {
    const { limiter } = limiterOf();
    expect(ask(limiter, { input: { tokens: 32_001 } })).toBe('free.input');
    const permit = ask(limiter, { input: { tokens: 10 }, outputTokensMax: 100_000 }) as Permit;
    expect(permit.reserved.outputTokensMax).toBe(4_096);
    expect(permit.meter(4_096)).toBe('continue');
    expect(permit.meter(1)).toBe('stop');
    expect(ask(limiter, { model: 'llama3.1:70b' })).toBe('free.models');
    expect(typeof ask(limiter, { model: 'llama3.1:70b', identity: 'studio' })).toBe('object');
  });

  test('6: how far one run of an agent goes', () => {
    const { limiter, clock } = limiterOf();
    const run = limiter.startRun({ identity: 'hobby', id: 'r1' });
    for (let i = 0; i < 20; i++) run.toolCall('search');
    expect(() => run.toolCall('search')).toThrow(/20 tool calls per run/);
    expect(() => run.child().child().child().child().child().child()).toThrow(/nested 6 deep/);
    const permit = ask(limiter, { run, input: { tokens: 10 } }) as Permit;
    const { signal } = permit;
    clock.advance(120_000);
    expect([run.over, signal.aborted]).toEqual([true, true]);
  });
});

describe('the same through the gateway', () => {
  const closers: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of closers.splice(0).reverse()) await one.close();
  });

  async function start(): Promise<{ gateway: Gateway; backend: FakeOllama }> {
    const backend = await startFakeOllama({ models: ['llama3.2', 'mistral:7b'] });
    closers.push(backend);
    const gateway = await startGateway({ policy, port: 0, backends: [backend.url], log: false });
    closers.push({ close: () => gateway.close({ drainMs: 0 }) });
    return { gateway, backend };
  }

  const post = (url: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${url}/api/chat`, {
      method: 'POST',
      headers: { authorization: `Bearer ${keys.FREE_KEY}`, ...headers },
      body: JSON.stringify({ model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }], stream: false, ...body }),
    });

  test('refusals name their layer, and nothing refused reaches a backend', async () => {
    const { gateway, backend } = await start();
    const { url } = gateway;
    const large = [{ role: 'user', content: 'x'.repeat(300_000) }];
    const answers = [
      await post(url, {}, { authorization: 'Bearer nobody' }),
      await post(url, { model: 'llama3.1:70b' }),
      await post(url, { messages: large }),
      await post(url, {}, { 'x-run-id': 'r1', 'x-run-depth': '6' }),
    ];
    expect(answers.map((answer) => [answer.status, answer.headers.get('x-headgate-reason')])).toEqual([
      [401, 'unauthorized'],
      [403, 'forbidden'],
      [413, 'too-large'],
      [429, 'run'],
    ]);
    expect(backend.stats().completed).toBe(0);
  });

  test('an answer is capped for the backend', async () => {
    const { gateway, backend } = await start();
    expect((await post(gateway.url, { options: { num_predict: -1 } })).status).toBe(200);
    expect(backend.seen.find(({ method }) => method === 'POST')?.json).toMatchObject({
      options: { num_predict: 4_096 },
    });
  });
});
