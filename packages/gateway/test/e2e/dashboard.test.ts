import { describe, expect, it } from 'vitest';
import { pageAssets } from '../../src/dashboard/assets.js';
import { readersMax } from '../../src/dashboard/stream.js';
import { type EventStream, eventStream } from '../support/event-stream.js';
import { chat, fake, gatewayFor, generate, post, setup } from '../support/harness.js';

const adminKey = 'admin-key-1';
const paths = [...pageAssets().keys(), '/dashboard/events'];
const read = async (answer: Promise<Response>): Promise<string> => (await answer).text();

describe('the dashboard', () => {
  it('is for this machine, or for who brings the admin key, each of its paths', async () => {
    const { url } = await setup({ admin: { key: adminKey } });
    const { url: keyless } = await setup({});
    const status = async (headers: Record<string, string>): Promise<unknown> => {
      const asked = paths.map(async (path) => (await fetch(url + path, { method: 'HEAD', headers })).status);
      const statuses = new Set(await Promise.all(asked));
      return statuses.size === 1 ? [...statuses][0] : statuses;
    };
    const from = { 'x-forwarded-for': '203.0.113.1' };
    const basic = (password: string): string => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
    expect(await status({})).toBe(200);
    expect(await status(from)).toBe(401);
    expect(await status({ ...from, authorization: basic('wrong') })).toBe(401);
    expect(await status({ ...from, authorization: basic(adminKey) })).toBe(200);
    expect(await status({ ...from, authorization: `Bearer ${adminKey}` })).toBe(200);
    for (const path of paths) expect((await fetch(keyless + path, { headers: from })).status).toBe(403);
  });

  it('asks a browser for the key in the way that browsers know', async () => {
    const { url } = await setup({ admin: { key: adminKey } });
    const { headers } = await fetch(`${url}/dashboard`, { headers: { via: '1.1 proxy' } });
    expect(headers.get('www-authenticate')).toBe('Bearer realm="headgate", Basic realm="headgate", charset="UTF-8"');
  });

  it('tells browsers with every file what it may do, which is nothing beyond this gateway', async () => {
    const { url } = await setup({});
    for (const path of paths) {
      const { headers } = await fetch(url + path, { method: 'HEAD' });
      expect(headers.get('content-security-policy'), path).toContain("default-src 'none'");
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('cache-control'), path).toBe('no-store');
    }
  });

  it('shows what happens: who asks, what is left, and who is refused by what', async () => {
    const { url } = await setup({
      identity: [{ apiKey: { keys: { 'key-of-team-a': { id: 'team-a', priority: 'high' } } } }],
      limits: [{ name: 'few', match: { operation: 'generate' }, requests: '60/hour burst 2' }],
    });
    const stream = await eventStream(url);
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    const first = await stream.when(() => true, 'a snapshot came');
    expect(first).toMatchObject({
      draining: false,
      now: { inFlight: 0, waiting: 0, waitingBy: { high: 0, normal: 0, low: 0 }, refused: 0, requests: 0 },
      backends: [{ name: 'b1', slots: 4, used: 0, state: 'healthy', usable: true }],
      identities: [],
      refusals: [],
      timeline: { stepMs: 10_000, steps: 180, rows: [] },
    });
    const authorization = 'Bearer key-of-team-a';
    for (let times = 0; times < 4; times++) await read(post(`${url}/api/generate`, generate, { authorization }));
    await read(post(`${url}/api/chat`, chat, { authorization: 'Bearer wrong' }));
    const shown = await stream.when(({ now }) => now.requests === 5, 'five requests were shown');
    expect(shown.now).toMatchObject({ refused: 3, inFlight: 0 });
    expect(shown.backends[0]?.models).toEqual(['llama3.2']);
    expect(shown.identities).toMatchObject([
      {
        ...{ id: 'team-a', tier: 'default', priority: 'high', inFlight: 0, requests: 4, tokens: 46, refused: 2 },
        causes: [{ reason: 'limit', limit: 'few', mode: 'enforce', count: 2 }],
        limits: [{ name: 'few', rule: '60 requests per hour, burst 2', measure: 'requests', capacity: 2 }],
      },
    ]);
    expect(shown.identities[0]!.limits![0]!.remaining).toBeLessThan(1);
    expect(shown.refusals).toMatchObject([
      { who: '127.0.0.1', reason: 'unauthorized', count: 1 },
      { who: 'team-a', reason: 'limit', limit: 'few', operation: 'generate', model: 'llama3.2', count: 2 },
    ]);
    expect(shown.timeline.rows.reduce((sum, [, refused]) => sum + refused, 0)).toBe(3);
  });

  it('shows who waits, by priority, and tokens as they stream', async () => {
    const { url } = await setup(
      { identity: [{ apiKey: { keys: { low: { id: 'batch', priority: 'low' } } } }] },
      { backends: [{ decodeTokensPerSecond: 40, outputTokens: 4_000 }], slots: 1 },
    );
    const stream = await eventStream(url);
    const leaving = new AbortController();
    const headers = { authorization: 'Bearer low', 'content-type': 'application/json' };
    const body = JSON.stringify({ ...chat, stream: true });
    const asked = [1, 2].map(() =>
      fetch(`${url}/api/chat`, { method: 'POST', headers, body, signal: leaving.signal })
        .then((answer) => answer.text())
        .catch(() => {}),
    );
    const busy = await stream.when(({ now }) => (now.tokensPerSecond?.output ?? 0) > 10, 'tokens were counted');
    expect(busy.now).toMatchObject({ inFlight: 1, waiting: 1, waitingBy: { high: 0, normal: 0, low: 1 } });
    expect(busy.backends[0]).toMatchObject({ used: 1, slots: 1 });
    expect(busy.identities[0]).toMatchObject({ id: 'batch', inFlight: 1 });
    leaving.abort();
    await Promise.all(asked);
  });

  it('shows what a dry run would refuse, apart from what is refused', async () => {
    const { url } = await setup({ limits: [{ name: 'dry', requests: '1/hour', mode: 'shadow' }] });
    const stream = await eventStream(url);
    for (let times = 0; times < 3; times++) await read(post(`${url}/api/generate`, generate));
    const { now, identities, refusals, timeline } = await stream.when((one) => one.refusals.length > 0, 'it was shown');
    expect(now.refused).toBe(0);
    expect(identities[0]).toMatchObject({ refused: 0, causes: [{ limit: 'dry', mode: 'shadow' }] });
    expect(refusals).toMatchObject([{ limit: 'dry', mode: 'shadow' }]);
    expect(timeline.rows.every(([, refused]) => refused === 0)).toBe(true);
  });

  it('sends one snapshot a second at most, however many watch and however much happens', async () => {
    const { url } = await setup({ requests: '1/hour' });
    const streams: EventStream[] = [];
    const began = performance.now();
    for (let index = 0; index < 3; index++) streams.push(await eventStream(url));
    while (streams.some(({ snapshots }) => snapshots.length < 3)) await read(post(`${url}/api/generate`, generate));
    const seconds = (performance.now() - began) / 1000;
    // The first comes at once. One of slack: timers and the clock differ by a millisecond now and then.
    for (const { snapshots } of streams) expect(snapshots.length).toBeLessThan(seconds + 2);
    const bytes = streams[0]!.text().length / streams[0]!.snapshots.length;
    expect(bytes).toBeLessThan(4_000);
  });

  it('has places for so many, and none for a page of somebody else', async () => {
    const { url } = await setup({});
    expect((await eventStream(url, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await eventStream(url, { 'sec-fetch-site': 'same-site' })).status).toBe(403);
    const streams: EventStream[] = [];
    for (let index = 0; index < readersMax; index++)
      streams.push(await eventStream(url, { 'sec-fetch-site': 'same-origin' }));
    expect(streams.map(({ status }) => status)).toEqual(new Array(readersMax).fill(200));
    expect((await eventStream(url)).status).toBe(503);
    streams[0]!.leave();
    await expect.poll(async () => (await eventStream(url)).status).toBe(200);
  });

  it('says that the gateway is being stopped, and does not keep it from that', async () => {
    const { url, gateway, backend } = await setup({}, { backends: [{ faults: { stallAfterTokens: 2 } }] });
    const stream = await eventStream(url);
    const answer = read(post(`${url}/api/chat`, { ...chat, stream: true }));
    await stream.when(({ now }) => now.inFlight === 1, 'it ran');
    // Longer than this test may take: a stream that held the gateway would be seen.
    const closed = gateway.close({ drainMs: 600_000 });
    await stream.when(({ draining }) => draining, 'it was said');
    backend.set({ stallAfterTokens: undefined });
    expect(await answer).toContain('"done":true');
    await closed;
    await stream.ended;
  });

  it('has those who watch ask again when the admin key is another', async () => {
    const { gateway, url } = await setup({ admin: { key: adminKey } });
    const from = { 'x-forwarded-for': '203.0.113.1', authorization: `Bearer ${adminKey}` };
    const stream = await eventStream(url, from);
    await gateway.reload({ admin: { key: adminKey }, requests: '5/min' });
    await stream.when(({ at }) => at > stream.snapshots[0]!.at, 'it went on');
    await gateway.reload({ admin: { key: 'admin-key-2' } });
    await stream.ended;
    expect((await eventStream(url, from)).status).toBe(401);
  });

  it('never shows a secret', async () => {
    const secrets = ['key-of-team-a', adminKey, 'backend-token-9', 'pass-9', 'wrong-key-7'];
    const server = await fake();
    const { url } = await gatewayFor({
      admin: { key: adminKey },
      identity: [{ apiKey: { keys: { 'key-of-team-a': { id: 'team-a' } } } }],
      backends: [
        { url: server.url, name: 'gpu', headers: { authorization: 'Bearer backend-token-9', 'x-pass': 'pass-9' } },
      ],
      requests: '1/hour',
    });
    const stream = await eventStream(url);
    for (const key of ['key-of-team-a', 'key-of-team-a', 'wrong-key-7']) {
      await read(post(`${url}/api/generate`, generate, { authorization: `Bearer ${key}` }));
    }
    await stream.when(({ now }) => now.requests === 3, 'three requests were shown');
    expect(stream.text()).toContain('team-a');
    for (const secret of secrets) expect(stream.text()).not.toContain(secret);
    expect(stream.text()).not.toContain(server.url);
  });
});
