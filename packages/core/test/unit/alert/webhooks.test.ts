import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { patienceMs } from '../../../../../test/support/patience.js';
import type { LimiterEvents } from '../../../src/events.js';
import { settled, type VirtualClock } from '../../../src/testing/virtual-clock.js';
import { second, world } from '../../support/fixtures.js';

interface Sent {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly redirect: string | undefined;
}

type Answer = number | 'unreachable' | 'silent';

/** A receiver that answers as told, in order; the last answer holds for all that follow. */
function receiver(...answers: Answer[]) {
  const sent: Sent[] = [];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    const answer = answers[Math.min(sent.length, answers.length - 1)] ?? 200;
    sent.push({
      url,
      headers: init.headers as Record<string, string>,
      body: String(init.body),
      redirect: init.redirect,
    });
    if (answer === 'unreachable') {
      return Promise.reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } }));
    }
    if (answer !== 'silent') return Promise.resolve(new Response(null, { status: answer }));
    return new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
  };
  return { sent, fetch: fetch as typeof globalThis.fetch };
}

const policy = (more: object = {}) => ({
  tokens: { limit: 10, per: 'hour', alertAt: 0.5 },
  alerts: [{ webhook: 'https://hooks.example/x/secret-path', ...more }],
});

const spend = { identity: 'ann', operation: 'embed', input: { tokens: 5 } } as const;

/** Web Crypto answers in its own time, outside of the virtual clock's. */
async function until(clock: VirtualClock, condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !condition(); ) {
    if (performance.now() > deadline) throw new Error('it never came to be');
    await new Promise((resolve) => setImmediate(resolve));
    await clock.run(0);
  }
}

describe('an alert to a webhook', () => {
  test('says what happened, as the event tells it', async () => {
    const { sent, fetch } = receiver(200);
    const { limiter, clock } = world(policy(), { fetch });
    limiter.admitNow(spend);
    await until(clock, () => sent.length === 1);
    expect(sent[0]).toMatchObject({
      url: 'https://hooks.example/x/secret-path',
      headers: { 'content-type': 'application/json', 'x-headgate-event': 'limit-alert' },
      redirect: 'manual',
    });
    expect(JSON.parse(sent[0]!.body)).toMatchObject({
      event: 'limit-alert',
      at: '2026-01-05T12:00:00.000Z',
      limit: 'tokens.hour',
      subject: 'ann',
      share: 0.5,
    });
    expect(sent[0]!.headers).not.toHaveProperty('x-headgate-signature');
  });

  test('is signed with the time, so that an old one cannot be sent again unnoticed', async () => {
    const { sent, fetch } = receiver(200);
    const { limiter, clock } = world(policy({ secret: 'hush' }), { fetch });
    limiter.admitNow(spend);
    await until(clock, () => sent.length === 1);
    const { headers, body } = sent[0]!;
    const t = Math.floor(clock.wall() / 1000);
    const expected = createHmac('sha256', 'hush').update(`${t}.${body}`).digest('hex');
    expect(headers['x-headgate-signature']).toBe(`t=${t},v1=${expected}`);
    expect(JSON.stringify(headers) + body).not.toContain('hush');
  });

  test('that is not taken is tried again after 1, 2, 4 and 8 s, then given up and told', async () => {
    const { sent, fetch } = receiver(500, 'unreachable', 302, 503);
    const { limiter, clock } = world(policy(), { fetch });
    const failed: LimiterEvents['alert-failed'][] = [];
    limiter.on('alert-failed', (event) => failed.push(event));
    limiter.admitNow(spend);
    const triesAt: number[] = [];
    for (let tick = 0; tick <= 30; tick++) {
      await until(clock, () => true);
      if (sent.length > triesAt.length) triesAt.push(clock.now() / second);
      await clock.run(second);
    }
    expect(triesAt).toEqual([0, 1, 3, 7, 15]);
    expect(failed).toEqual([{ host: 'hooks.example', event: 'limit-alert', tries: 5, cause: 'status 503' }]);
  });

  test('whose receiver does not answer is given 5 s', async () => {
    const { sent, fetch } = receiver('silent', 200);
    const { limiter, clock } = world(policy(), { fetch });
    limiter.admitNow(spend);
    await until(clock, () => sent.length === 1);
    await clock.run(5 * second);
    await clock.run(second);
    expect(sent).toHaveLength(2);
  });

  test('goes only where its event is asked for', async () => {
    const { sent, fetch } = receiver(200);
    const { limiter, clock } = world(policy({ on: ['backend-down'] }), { fetch });
    limiter.admitNow(spend);
    await clock.run(second);
    expect(sent).toEqual([]);
  });

  test('is given up beyond a hundred that wait', async () => {
    const { sent, fetch } = receiver('silent');
    const { limiter, clock } = world(policy(), { fetch });
    const failed: string[] = [];
    limiter.on('alert-failed', ({ cause }) => failed.push(cause));
    for (let i = 0; i < 105; i++) limiter.admitNow({ ...spend, identity: `id-${i}` });
    await settled();
    expect([sent.length, failed.length]).toEqual([1, 4]);
    expect(failed[0]).toBe('100 alerts wait for it already');
    expect(clock.timers).toBeLessThan(5);
  });

  test('leaves nothing behind when the limiter closes', async () => {
    const { sent, fetch } = receiver(500);
    const { limiter, clock } = world(policy(), { fetch });
    const decision = limiter.admitNow(spend);
    if (decision.admitted) decision.permit.settle();
    await until(clock, () => sent.length === 1);
    await limiter.close({ drainMs: 0 });
    await settled();
    expect(clock.timers).toBe(0);
    limiter.admitNow({ ...spend, identity: 'bob' });
    await clock.run(60 * second);
    expect(sent).toHaveLength(1);
  });
});

test('the event of an alert that does not exist is a mistake of the policy', () => {
  expect(() => world(policy({ on: ['limit-alarm'] }))).toThrow(/did you mean.*limit-alert/s);
});
