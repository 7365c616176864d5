/** Another policy in force while requests run, wait and come. */
import { describe, expect, test } from 'vitest';
import { PolicyError, parsePolicy } from '../../../src/policy/parse.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { hour, minute, second, world } from '../../support/fixtures.js';
import { backendNamed, journal, visit } from '../../support/timeline.js';

const whole = (policy: object) => parsePolicy(policy);

describe('a policy that is wrong', () => {
  test('is refused with all that is wrong, and the one from before stays in force', async () => {
    const { limiter } = world({ requests: '2/min' });
    const { policy } = limiter;
    limiter.admitNow({ identity: 'ann' });
    const wrong = limiter.reload({ requests: '60/minn', queue: { wait: 30 } });
    await expect(wrong).rejects.toThrow(PolicyError);
    await expect(wrong).rejects.toMatchObject({ problems: [{ path: 'queue.wait' }, { path: 'requests' }] });
    expect(limiter.policy).toBe(policy);
    expect(limiter.admitNow({ identity: 'ann' }).admitted).toBe(true);
    expect(limiter.admitNow({ identity: 'ann' }).admitted).toBe(false);
  });
});

describe('counters', () => {
  const left = (limiter: ReturnType<typeof world>['limiter'], identity: string) =>
    Object.fromEntries(limiter.peekNow({ identity }).map(({ name, remaining }) => [name, remaining]));

  test('survive by the names of their limits: what was used stays used', async () => {
    const { limiter } = world({ requests: '10/min', tokens: '100/hour', limits: [{ name: 'x', requests: '50/day' }] });
    for (let i = 0; i < 4; i++) limiter.admitNow({ identity: 'ann', input: { tokens: 10 }, outputTokensMax: 0 });
    await limiter.reload({
      limits: [
        { name: 'x', requests: '20/day' },
        { name: 'y', requests: '7/min' },
      ],
      tokens: '1k/hour',
      requests: '10/min',
    });
    expect(left(limiter, 'ann')).toEqual({ 'requests.min': 6, 'tokens.hour': 960, x: 16, y: 7 });
    expect(left(limiter, 'bob')).toEqual({ 'requests.min': 10, 'tokens.hour': 1_000, x: 20, y: 7 });
  });

  test('below what is used already refuse until it has passed', async () => {
    const { clock, limiter } = world({ tokens: '100/hour' });
    limiter.admitNow({ identity: 'ann', input: { tokens: 80 }, outputTokensMax: 0 });
    await limiter.reload({ tokens: '50/hour' });
    const refused = limiter.admitNow({ identity: 'ann', input: { tokens: 1 }, outputTokensMax: 0 });
    expect(refused).toMatchObject({ admitted: false, refusal: { reason: 'limit', limit: 'tokens.hour' } });
    clock.advance(hour + minute);
    expect(limiter.admitNow({ identity: 'ann', input: { tokens: 50 }, outputTokensMax: 0 }).admitted).toBe(true);
  });

  test('take the settlement of permits that were out, slots included', async () => {
    const { limiter } = world({ tokens: '100/hour', concurrency: 1 });
    const running = visit(limiter, 'ann', { input: { tokens: 10 }, outputTokensMax: 40 });
    await settled();
    await limiter.reload({ concurrency: 3, tokens: '200/hour', requests: '9/min' });
    expect(left(limiter, 'ann')).toEqual({ 'tokens.hour': 150, concurrency: 2, 'requests.min': 9 });
    running.permit.settle({ inputTokens: 10, outputTokens: 5 });
    expect(left(limiter, 'ann')).toEqual({ 'tokens.hour': 185, concurrency: 3, 'requests.min': 9 });
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  test('of a limit that is gone are let go with it, whoever is still charged on them', async () => {
    const { limiter } = world({ requests: '10/min', concurrency: 1, tokens: '100/hour' });
    const running = visit(limiter, 'ann', { input: { tokens: 10 }, outputTokensMax: 40 });
    await settled();
    await limiter.reload({ requests: '10/min' });
    running.permit.settle({ inputTokens: 10, outputTokens: 5 });
    expect(left(limiter, 'ann')).toEqual({ 'requests.min': 9 });
    await limiter.reload({ requests: '10/min', concurrency: 1, tokens: '100/hour' });
    expect(left(limiter, 'ann')).toEqual({ 'requests.min': 9, concurrency: 1, 'tokens.hour': 100 });
  });
});

describe('who waits', () => {
  test('goes on waiting, and is let through when the new policy has a slot for it', async () => {
    const { limiter } = world({ backends: ['http://one'] });
    const log = journal(limiter, ['request-queued', 'request-admitted']);
    const visits = ['first', 'second', 'third'].map((name) => visit(limiter, name));
    await settled();
    await limiter.reload({ backends: [{ url: 'http://one', slots: 2 }] });
    await settled();
    expect(visits.map(({ state }) => state)).toEqual(['admitted', 'admitted', 'waiting']);
    expect(backendNamed(limiter, 'one:80')).toMatchObject({ slots: 2, used: 2 });
    expect(log.at(-1)).toBe('second request-admitted');
  });

  test('for a slot of a limit is let through when there is one more, or none is asked for any longer', async () => {
    for (const limits of [[{ name: 'house', per: 'all', concurrency: 2 }], []]) {
      const { limiter } = world({ limits: [{ name: 'house', per: 'all', concurrency: 1 }] });
      const visits = ['first', 'second'].map((name) => visit(limiter, name));
      await settled();
      await limiter.reload({ limits });
      await settled();
      expect(visits.map(({ state }) => state)).toEqual(['admitted', 'admitted']);
      for (const { permit } of visits) permit.settle();
      expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
    }
  });

  test('keeps the time it was promised; who comes now has that of the new policy', async () => {
    const { clock, limiter } = world({ backends: ['http://one'], queue: { wait: '10s' } });
    const [, before] = ['running', 'before'].map((name) => visit(limiter, name));
    await settled();
    await limiter.reload({ backends: ['http://one'], queue: { wait: '2s', depth: 2 } });
    const after = visit(limiter, 'after');
    await settled();
    const beyond = visit(limiter, 'beyond');
    await clock.run(2 * second);
    expect([before!.state, after.state, beyond.refusal.reason]).toEqual(['waiting', 'refused', 'queue-full']);
    await clock.run(8 * second);
    expect(before!.refusal.reason).toBe('queue-timeout');
  });

  test.each([
    ['by tokens, then in order of arrival', 'tokens', 'none', ['a2', 'a3', 'b1']],
    ['in order of arrival, then by tokens', 'none', 'tokens', ['a2', 'b1', 'a3']],
  ])('is served %s', async (_, before, after, order) => {
    const policy = (fairness: string) => ({ backends: ['http://one'], queue: { fairness } });
    const { limiter } = world(policy(before));
    const names = ['a1', 'a2', 'a3', 'b1'];
    const visits = names.map((name) => visit(limiter, name[0]!, { input: { tokens: 1_000 }, outputTokensMax: 0 }));
    await settled();
    await limiter.reload(policy(after));
    const served: string[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const next = visits.findIndex(({ state }, i) => state === 'admitted' && !served.includes(names[i]!));
      served.push(names[next]!);
      visits[next]!.permit.settle({ inputTokens: 1_000, outputTokens: 0 });
      await settled();
    }
    expect(served.slice(1)).toEqual(order);
  });

  test('is served by priority from the moment that the policy says so', async () => {
    const policy = (priority: string) => ({
      backends: ['http://one'],
      queue: { priority, fairness: 'none' },
      tiers: { late: { priority: 'low' }, soon: { priority: 'high' } },
    });
    const { limiter } = world(policy('weighted'));
    const ask = (id: string, tier: string) => visit(limiter, id, { identity: { id, tier } });
    ask('running', 'soon');
    const low = ['l1', 'l2', 'l3'].map((id) => ask(id, 'late'));
    await settled();
    const high = ['h1', 'h2', 'h3'].map((id) => ask(id, 'soon'));
    await settled();
    await limiter.reload(policy('strict'));
    const log = journal(limiter, ['request-admitted']);
    const [running] = [limiter.stats().inFlight];
    expect(running).toBe(1);
    await limiter.reload({ ...policy('strict'), backends: [{ url: 'http://one', slots: 7 }] });
    await settled();
    expect(log.map((line) => line.split(' ')[0])).toEqual(['h1', 'h2', 'h3', 'l1', 'l2', 'l3']);
    for (const { permit } of [...low, ...high]) permit.cancel();
  });

  test('for its turn goes on at its turn', async () => {
    const limits = [{ name: 'paced', requests: '60/min burst 5', delay: true }];
    const { clock, limiter } = world({ limits });
    const visits = ['first', 'second'].map((_, i) => visit(limiter, 'ann', { model: `m${i}` }));
    await settled();
    await limiter.reload({ limits: [{ name: 'paced', requests: '60/min burst 5' }] });
    expect(visits.map(({ state }) => state)).toEqual(['admitted', 'waiting']);
    await clock.run(second);
    expect(visits[1]!.state).toBe('admitted');
  });

  test('whose tier is gone is decided all the same', async () => {
    const { limiter } = world({ backends: ['http://one'], tiers: { free: { tokens: '10k/hour', concurrency: 4 } } });
    const ask = (id: string) => visit(limiter, id, { identity: { id, tier: 'free' } });
    const [first, second_] = [ask('a'), ask('b')];
    await settled();
    await limiter.reload({ backends: ['http://one'] });
    first.permit.settle();
    await settled();
    second_.permit.settle();
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, waiting: 0 });
    expect(limiter.identity({ id: 'a', tier: 'free' }).tier).toBe('default');
  });
});

describe('everything else follows', () => {
  test('backends: one that stays keeps its slots, one that is gone gets nobody new and lets its own end', async () => {
    const { limiter } = world({ backends: ['http://one', 'http://two'] });
    const [first, second_] = [visit(limiter, 'a'), visit(limiter, 'b')];
    await settled();
    expect([first.backend, second_.backend]).toEqual(['one:80', 'two:80']);
    await limiter.reload({ backends: ['http://two', 'http://three'] });
    const third = visit(limiter, 'c');
    const fourth = visit(limiter, 'd');
    await settled();
    expect([third.backend, fourth.state]).toEqual(['three:80', 'waiting']);
    first.permit.settle();
    await settled();
    expect(fourth.state).toBe('waiting');
    second_.permit.settle();
    await settled();
    expect(fourth.backend).toBe('two:80');
  });

  test('the settings that are read late: guard, client, drain, headers', async () => {
    const { limiter } = world({});
    await limiter.reload({ guard: { body: '1MiB' }, client: { body: '5s' }, drain: '1s', headers: ['ietf'] });
    expect(limiter.policy).toMatchObject({
      guard: { bodyBytesMax: 2 ** 20 },
      client: { bodyMs: 5_000 },
      drainMs: 1_000,
      headers: ['ietf'],
    });
  });

  test('declared identities: their tiers, and what those allow', async () => {
    const declared = (tier: string) => ({
      identity: [{ apiKey: { keys: { 'sk-1': { id: 'ann', tier } } } }],
      tiers: { free: { models: ['small'] }, paid: { input: 100 } },
    });
    const { limiter } = world(declared('free'));
    expect(limiter.admitNow({ identity: 'ann', model: 'big' })).toMatchObject({ refusal: { reason: 'forbidden' } });
    await limiter.reload(declared('paid'));
    expect(limiter.admitNow({ identity: 'ann', model: 'big' }).admitted).toBe(true);
    expect(limiter.admitNow({ identity: 'ann', input: { tokens: 101 } })).toMatchObject({
      refusal: { reason: 'too-large' },
    });
  });

  test('prices, and what is reserved for an output', async () => {
    const cost = (price: string, reserve: string) => ({
      cost: '$10/day',
      prices: { '*': { input: price, output: price } },
      reserve,
    });
    const { limiter } = world(cost('$1', 'expected'));
    const spent = (input: number): number => {
      const before = limiter.peekNow({})[0]!.remaining;
      const decision = limiter.admitNow({ input: { tokens: input }, outputTokensMax: 1_000_000 });
      const after = limiter.peekNow({})[0]!.remaining;
      if (decision.admitted) decision.permit.cancel();
      return Math.round((before - after) * 100) / 100;
    };
    expect(spent(1_000_000)).toBe(1);
    await limiter.reload(cost('$2', 'strict'));
    expect(spent(1_000_000)).toBe(4);
  });

  test('agent runs: one that goes on keeps its counters and its time, and has the new depth', async () => {
    const { clock, limiter } = world({ run: { toolCalls: 3, depth: 1, time: '1min' } });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    run.toolCall();
    await limiter.reload({ run: { toolCalls: 2, depth: 2, time: '1min' } });
    run.toolCall();
    expect(() => run.toolCall()).toThrow('2 tool calls');
    expect(run.child().child().depth).toBe(2);
    expect(run.over).toBe(false);
    clock.advance(minute);
    expect(run.over).toBe(true);
  });

  test('webhooks: new ones are told, those that are gone are not, and what was held for them is still sent', async () => {
    const sent: string[] = [];
    let release: () => void = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const fetch = async (url: unknown): Promise<Response> => {
      if (String(url) === 'http://old/') await slow;
      sent.push(String(url));
      return new Response();
    };
    const policy = (...webhooks: string[]) => ({
      limits: [{ name: 'x', requests: '10/min', alertAt: 0.1 }],
      alerts: webhooks.map((webhook) => ({ webhook, on: ['limit-alert'] })),
    });
    const { limiter } = world(policy('http://old/'), { fetch });
    limiter.admitNow({ identity: 'a' });
    limiter.admitNow({ identity: 'b' });
    await limiter.reload(policy('http://new/'));
    limiter.admitNow({ identity: 'c' });
    await settled();
    expect(sent).toEqual(['http://new/']);
    release();
    await settled();
    expect(sent).toEqual(['http://new/', 'http://old/', 'http://old/']);
  });

  test('a dry run begins and ends', async () => {
    const { limiter } = world({ requests: '1/min' });
    limiter.admitNow({});
    await limiter.reload({ requests: '1/min', mode: 'shadow' });
    expect(limiter.admitNow({}).admitted).toBe(true);
    await limiter.reload({ requests: '1/min' });
    expect(limiter.admitNow({}).admitted).toBe(false);
  });

  test('an alert is not raised by an amount that a request was never held to', async () => {
    const policy = (amount: string) => ({ limits: [{ name: 'x', requests: amount, alertAt: 0.8 }] });
    const { limiter } = world(policy('1000/day'));
    const alerts: number[] = [];
    limiter.on('limit-alert', ({ share }) => alerts.push(share));
    const decision = limiter.admitNow({});
    await limiter.reload(policy('100/day'));
    if (decision.admitted) decision.permit.settle();
    expect(alerts).toEqual([]);
  });
});

test('a reload from within an event, in the middle of handing slots over, takes effect and loses nobody', async () => {
  const policy = (slots: number, depth: number) => ({ backends: [{ url: 'http://one', slots }], queue: { depth } });
  const { limiter } = world(policy(1, 3));
  const visits = ['a', 'b', 'c', 'd'].map((name) => visit(limiter, name));
  await settled();
  const stop = limiter.on('request-admitted', () => {
    stop();
    void limiter.reload(policy(2, 1));
  });
  visits[0]!.permit.settle();
  await settled();
  expect(visits.map(({ state }) => state)).toEqual(['admitted', 'admitted', 'admitted', 'waiting']);
  const beyond = visit(limiter, 'a');
  await settled();
  expect(beyond.refusal.reason).toBe('queue-full');
  visits[1]!.permit.settle();
  await settled();
  expect(visits[3]!.state).toBe('admitted');
});

test('a limiter that is closed keeps the policy it has', async () => {
  const { limiter } = world({ requests: '1/min' });
  const { policy } = limiter;
  await limiter.close();
  await limiter.reload(whole({ requests: '2/min' }));
  expect(limiter.policy).toBe(policy);
});
