import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import type { Backend } from '../../../src/model.js';
import type { Permit } from '../../../src/settlement/permit.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { second, world } from '../../support/fixtures.js';
import { backendNamed, visit } from '../../support/timeline.js';

const two = (more: object = {}) => ({
  backends: [
    { url: 'http://a', name: 'a', slots: 1 },
    { url: 'http://b', name: 'b', slots: 1 },
  ],
  queue: { depth: 5, wait: '10s' },
  ...more,
});

describe('backends', () => {
  test('a model that none serves is 404, in whatever spelling it is asked for or declared', () => {
    const { limiter } = world({
      backends: [{ url: 'http://a', models: ['Llama3:latest', 'code*'] }],
      requests: '9/min',
    });
    const ask = (model?: string) => limiter.admitNow(model === undefined ? {} : { model });
    const refused = ask('mistral');
    expect(!refused.admitted && refused.refusal).toMatchObject({ reason: 'model-not-found', status: 404 });
    for (const model of ['LLAMA3', 'codellama:7b', undefined]) {
      const decision = ask(model);
      if (!decision.admitted) throw new Error(decision.refusal.message);
      decision.permit.cancel();
    }
  });

  test('the least busy one is taken, and the others in turn where they are equal', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', slots: 3 },
        { url: 'http://b', name: 'b', slots: 3 },
      ],
    });
    const visits = Array.from({ length: 4 }, () => visit(limiter, 'x'));
    await settled();
    expect(visits.map(({ backend }) => backend).sort()).toEqual(['a', 'a', 'b', 'b']);
    for (const one of visits.filter(({ backend }) => backend === 'b')) one.permit.settle();
    const next = [visit(limiter, 'y'), visit(limiter, 'y')];
    await settled();
    expect(next.map(({ backend }) => backend)).toEqual(['b', 'b']);
  });

  test('one after the other, requests go round and do not stay on the first', async () => {
    const { limiter } = world(two());
    const seen: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      const one = visit(limiter, 'x');
      await settled();
      seen.push(one.backend);
      one.permit.settle();
    }
    expect(seen.filter((name) => name === 'a')).toHaveLength(3);
  });

  test('of different weights are filled in proportion', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', slots: 9, weight: 3 },
        { url: 'http://b', name: 'b', slots: 9, weight: 1 },
      ],
    });
    const visits = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    expect(visits.filter(({ backend }) => backend === 'a')).toHaveLength(6);
  });

  test('one that drains takes nothing new; with no other left it is 503', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', drain: true },
        { url: 'http://b', name: 'b', models: ['m'] },
      ],
    });
    const served = visit(limiter, 'x', { model: 'm' });
    const unserved = visit(limiter, 'x', { model: 'other' });
    await settled();
    expect(served.backend).toBe('b');
    expect(unserved.refusal).toMatchObject({ reason: 'no-backend', status: 503 });
    expect(unserved.refusal.retryAfterMs).toBeGreaterThan(0);
  });

  test('aborts and failures leave the load even (F5)', async () => {
    const { limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', slots: 4 },
        { url: 'http://b', name: 'b', slots: 4 },
      ],
    });
    for (let i = 0; i < 100; i++) {
      const one = visit(limiter, 'x');
      for (let n = 0; n < i % 4; n++) await Promise.resolve();
      one.leave();
      await settled();
      if (one.state === 'admitted') one.permit.cancel();
    }
    const visits = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    expect([backendNamed(limiter, 'a').used, backendNamed(limiter, 'b').used]).toEqual([4, 4]);
    for (const one of visits) one.permit.settle();
    expect([backendNamed(limiter, 'a').used, backendNamed(limiter, 'b').used]).toEqual([0, 0]);
  });
});

describe('moving to another backend', () => {
  test('gives the slot back and takes one elsewhere', async () => {
    const { limiter } = world(two());
    const one = visit(limiter, 'x');
    await settled();
    const first = one.permit.backend!;
    expect(await limiter.moveBackend(one.permit, new Set([first]))).toBeUndefined();
    expect(one.permit.backend).not.toBe(first);
    expect([first.used, one.permit.backend!.used]).toEqual([0, 1]);
    one.permit.settle();
    expect([first.used, limiter.stats().inFlight]).toEqual([0, 0]);
  });

  test('with none left to try is refused, and the permit still has to be ended', async () => {
    const { limiter } = world(two());
    const one = visit(limiter, 'x');
    await settled();
    const tried = new Set<Backend>(limiter.stats().backends);
    expect(await limiter.moveBackend(one.permit, tried)).toMatchObject({ reason: 'no-backend', status: 503 });
    one.permit.cancel();
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });

  test('waits ahead of everyone who never had a slot, and its own slot goes to them', async () => {
    const { limiter } = world(two());
    const [onA, onB] = [visit(limiter, 'x'), visit(limiter, 'y')];
    await settled();
    const waiter = visit(limiter, 'waiter');
    const patient = visit(limiter, 'patient');
    await settled();
    const a = onA.permit.backend!;
    const moved = limiter.moveBackend(onA.permit, new Set([a]));
    await settled();
    expect([waiter.state, waiter.permit.backend]).toEqual(['admitted', a]);
    onB.permit.settle();
    expect(await moved).toBeUndefined();
    expect(onA.permit.backend).not.toBe(a);
    await settled();
    expect(patient.state).toBe('waiting');
    onA.permit.settle();
    await settled();
    expect(patient.state).toBe('admitted');
  });

  test('waits no longer than the queue lets it, and holds no slot then', async () => {
    const { clock, limiter } = world(two());
    const [onA, onB] = [visit(limiter, 'x'), visit(limiter, 'y')];
    await settled();
    const moved = limiter.moveBackend(onA.permit, new Set([onA.permit.backend!]));
    await clock.run(10 * second);
    expect(await moved).toMatchObject({ reason: 'queue-timeout' });
    expect(limiter.stats()).toMatchObject({ inFlight: 2, waiting: 0 });
    onA.permit.cancel();
    expect(onB.permit.backend?.used).toBe(1);
    expect(limiter.stats()).toMatchObject({ inFlight: 1, open: 1 });
  });

  test('one that ended while it waited does not hold up those behind it', async () => {
    const { limiter } = world({
      ...two(),
      backends: [
        { url: 'http://a', name: 'a', slots: 2 },
        { url: 'http://b', name: 'b', slots: 1, models: ['m'] },
      ],
    });
    const onA = [
      visit(limiter, 'x', { model: 'm' }),
      visit(limiter, 'x', { model: 'm' }),
      visit(limiter, 'x', { model: 'm' }),
    ];
    await settled();
    const [a, b] = [backendNamed(limiter, 'a'), backendNamed(limiter, 'b')];
    const holder = onA.find(({ permit }) => permit.backend === b)!;
    const [gone, behind] = onA.filter(({ permit }) => permit.backend === a);
    const tried = new Set([a]);
    const goneMoved = limiter.moveBackend(gone!.permit, tried);
    const behindMoved = limiter.moveBackend(behind!.permit, tried);
    await settled();
    gone!.permit.settle();
    holder.permit.settle();
    await settled();
    expect(await behindMoved).toBeUndefined();
    expect(behind!.backend).toBe('b');
    expect(await goneMoved).toMatchObject({ reason: 'no-backend' });
    behind!.permit.settle();
    expect([a.used, b.used, limiter.stats().inFlight, limiter.stats().waiting]).toEqual([0, 0, 0, 0]);
  });

  test('whose client leaves rejects, and ends with nothing held', async () => {
    const { clock, limiter } = world(two({ requests: '5/min' }));
    const [onA] = [visit(limiter, 'x'), visit(limiter, 'y')];
    await settled();
    const controller = new AbortController();
    const moved = limiter.moveBackend(onA.permit, new Set([onA.permit.backend!]), { signal: controller.signal });
    const failed = expect(moved).rejects.toThrow('gone');
    await settled();
    controller.abort(new Error('gone'));
    await failed;
    onA.permit.cancel();
    expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, open: 1 });
    expect(limiter.peekNow({ identity: 'x' })[0]?.remaining).toBe(5);
    expect(clock.timers).toBe(0);
  });

  test('whose client leaves is still charged what its holder says, once', async () => {
    for (const gone of [false, true]) {
      const { limiter } = world(two({ requests: '5/min', tokens: '1000/hour' }));
      const [onA] = [visit(limiter, 'x', { input: { tokens: 10 } }), visit(limiter, 'y')];
      await settled();
      const controller = new AbortController();
      const { signal } = controller;
      if (gone) controller.abort(new Error('gone'));
      const moved = limiter.moveBackend(onA.permit, new Set([onA.permit.backend!]), { signal });
      const failed = expect(moved).rejects.toThrow('gone');
      controller.abort(new Error('gone'));
      await failed;
      expect(limiter.stats()).toMatchObject({ inFlight: 2, waiting: 0, open: 2 });
      onA.permit.settle({ inputTokens: 10, outputTokens: 4 });
      expect(limiter.peekNow({ identity: 'x' }).map(({ remaining }) => remaining)).toEqual([4, 986]);
      expect(limiter.stats()).toMatchObject({ inFlight: 1, waiting: 0, open: 1 });
    }
  });

  test('whose client has left already does not wait at all', async () => {
    const { clock, limiter } = world(two());
    const [onA] = [visit(limiter, 'x'), visit(limiter, 'y')];
    await settled();
    const gone = { signal: AbortSignal.abort(new Error('gone')) };
    await expect(limiter.moveBackend(onA.permit, new Set([onA.permit.backend!]), gone)).rejects.toThrow('gone');
    expect(limiter.stats().waiting).toBe(0);
    onA.permit.cancel();
    expect(limiter.stats()).toMatchObject({ inFlight: 1 });
    expect(clock.timers).toBe(0);
  });

  test('a permit that has ended moves nowhere', async () => {
    const { limiter } = world(two());
    const one = visit(limiter, 'x');
    await settled();
    const { permit } = one;
    const tried = new Set([permit.backend!]);
    permit.settle();
    expect(await limiter.moveBackend(permit, tried)).toMatchObject({ reason: 'no-backend' });
    expect(limiter.stats().backends.map(({ used }) => used)).toEqual([0, 0]);
  });
});

describe('backends that fail', () => {
  const failing = (more: object = {}) =>
    world({
      backends: [
        { url: 'http://a', name: 'a', slots: 4 },
        { url: 'http://b', name: 'b', slots: 4 },
      ],
      queue: { depth: 5, wait: '60s' },
      ...more,
    });

  /** Fills all slots, fails so many of the requests on one backend, and takes all of them back. */
  async function failTimes(limiter: Limiter, name: string, times: number): Promise<void> {
    const all = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    const there = all.filter(({ backend }) => backend === name);
    for (const { permit } of there.slice(0, times)) permit.failed('reset');
    for (const { permit } of all) permit.cancel();
  }

  test('too often in a row are done without, and are told of', async () => {
    const { clock, limiter } = failing();
    const told: string[] = [];
    limiter.on('backend-ejected', ({ backend, cause }) => told.push(`${backend} ejected: ${cause}`));
    limiter.on('backend-up', ({ backend }) => told.push(`${backend} up`));
    await failTimes(limiter, 'a', 3);
    expect([told, backendNamed(limiter, 'a').state]).toEqual([['a ejected: reset'], 'ejected']);
    const visits = Array.from({ length: 4 }, () => visit(limiter, 'x'));
    const patient = visit(limiter, 'patient');
    await settled();
    expect(visits.map(({ backend }) => backend)).toEqual(['b', 'b', 'b', 'b']);
    expect(patient.state).toBe('waiting');
    await clock.run(33 * second);
    expect([patient.state, patient.backend, backendNamed(limiter, 'a').state]).toEqual(['admitted', 'a', 'probing']);
    patient.permit.firstByte();
    expect(told).toEqual(['a ejected: reset', 'a up']);
    for (const one of [...visits, patient]) one.permit.settle();
  });

  test.each([
    ['a first byte and an end', (permit: Permit) => permit.firstByte({ stream: false })],
    ['output that was metered', (permit: Permit) => void permit.meter(1)],
    ['output that was used', () => {}],
  ])('are forgiven by an answer that ends well: %s', async (_, answer) => {
    const { clock, limiter } = failing();
    await failTimes(limiter, 'a', 2);
    await clock.run(10 * second);
    const all = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    for (const { permit } of all) {
      answer(permit);
      permit.settle({ outputTokens: 1 });
    }
    await failTimes(limiter, 'a', 2);
    expect(backendNamed(limiter, 'a').state).toBe('suspect');
  });

  test('are not forgiven for requests that came to nothing', async () => {
    const { clock, limiter } = failing();
    await failTimes(limiter, 'a', 2);
    await clock.run(10 * second);
    const all = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    for (const { permit } of all) permit.settle({ outputTokens: 0 });
    await failTimes(limiter, 'a', 1);
    expect(backendNamed(limiter, 'a').state).toBe('ejected');
  });

  test('none that could ever take it being left, a request is refused, and those who wait are sent off', async () => {
    let up = true;
    const probe = async () => ({ up });
    const { clock, limiter } = world(
      { backends: [{ url: 'http://a', name: 'a' }], queue: { depth: 5, wait: '90s' } },
      { probe },
    );
    const running = visit(limiter, 'x');
    const waiting = visit(limiter, 'y');
    await clock.run(second);
    up = false;
    await clock.run(35 * second);
    expect(waiting.refusal).toMatchObject({ reason: 'no-backend', status: 503, retryAfterMs: 20_000 });
    const late = limiter.admitNow({ identity: 'z' });
    expect(!late.admitted && late.refusal).toMatchObject({ reason: 'no-backend', retryAfterMs: 20_000 });
    running.permit.settle();
    up = true;
    await clock.run(25 * second);
    const again = limiter.admitNow({ identity: 'z' });
    expect(again.admitted).toBe(true);
    if (again.admitted) again.permit.cancel();
    await limiter.close();
    expect([limiter.stats().waiting, limiter.stats().inFlight, clock.timers]).toEqual([0, 0, 0]);
  });

  test('a storm of retries is bounded, and leaves the full capacity behind (F6)', async () => {
    const { limiter } = failing({ queue: { depth: 50, wait: '60s' } });
    let moved = 0;
    for (let i = 0; i < 30; i++) {
      const one = visit(limiter, 'x');
      await settled();
      const first = one.permit.backend!;
      const refusal = await limiter.moveBackend(one.permit, new Set([first]));
      if (refusal === undefined) moved++;
      else expect(refusal.reason).toBe('no-backend');
      one.permit.cancel();
    }
    expect(moved).toBe(6);
    const full = Array.from({ length: 8 }, () => visit(limiter, 'x'));
    await settled();
    expect(full.every(({ state }) => state === 'admitted')).toBe(true);
    for (const one of full) one.permit.settle();
    expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
    expect(limiter.stats().backends.map(({ used }) => used)).toEqual([0, 0]);
  });
});

describe('a request that waits for the backend that has its model', () => {
  test('is overtaken by those that need none, and goes when that backend is free', async () => {
    const { clock, limiter } = world({
      backends: [
        { url: 'http://a', name: 'a', slots: 1 },
        { url: 'http://b', name: 'b', slots: 1 },
      ],
      queue: { depth: 5, wait: '60s' },
    });
    const model = { model: 'm' };
    for (let i = 0; i < 8; i++) {
      const teaching = visit(limiter, 'x', model);
      await settled();
      await clock.run(i === 0 ? 20 * second : 3 * second);
      teaching.permit.firstByte();
      teaching.permit.settle();
    }
    const running = visit(limiter, 'x', model);
    await settled();
    const waiting = visit(limiter, 'y', model);
    const other = visit(limiter, 'z', { model: 'n' });
    await settled();
    expect([waiting.state, other.state]).toEqual(['waiting', 'admitted']);
    expect(other.backend).not.toBe(running.backend);
    running.permit.settle();
    await settled();
    expect([waiting.state, waiting.backend]).toEqual(['admitted', running.backend]);
    waiting.permit.settle();
    other.permit.settle();
    expect(clock.timers).toBe(0);
  });
});
