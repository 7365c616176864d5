/** Processes on a shared store tell each other what answers taught them. */
import { describe, expect, test } from 'vitest';
import { countCharacters, estimateTokens } from '../../../src/admission/estimate.js';
import { Limiter } from '../../../src/limiter.js';
import { parsePolicy } from '../../../src/policy/parse.js';
import type { Reserved } from '../../../src/settlement/permit.js';
import { MemoryStore } from '../../../src/store/memory.js';
import { settled, VirtualClock } from '../../../src/testing/virtual-clock.js';
import { LaterStore } from '../../support/later-store.js';
import { Shelf } from '../../support/shelf.js';

const policy = parsePolicy({ tokens: '900000M/day' });
const russian = 'Каждое утро объездчик приезжает на серой кобыле и смотрит, сколько воды в канале. '.repeat(10);
/** As a vocabulary counts it that is not the one of the weights. */
const counted = Math.round(1.9 * estimateTokens(russian));
const answerTokens = 900;

interface Process {
  readonly limiter: Limiter;
  readonly store: LaterStore;
  ask(identity?: string, model?: string): Promise<Reserved>;
}

class Town {
  readonly clock = new VirtualClock();
  readonly shelf = new Shelf();
  readonly #counters = new MemoryStore(this.clock);

  process(shares = true): Process {
    const store = new LaterStore(this.clock, this.#counters, shares ? this.shelf : undefined);
    const limiter = new Limiter(policy, { clock: this.clock, random: () => 0.5, store });
    return {
      limiter,
      store,
      /** One request, answered as ever; what was set aside for it. */
      ask: async (identity = 'ann', model = 'm') => {
        const decision = await limiter.admit({ identity, model, input: russian });
        if (!decision.admitted) throw new Error(decision.refusal.reason);
        decision.permit.settle({ inputTokens: counted, outputTokens: answerTokens });
        return decision.permit.reserved;
      },
    };
  }

  async answers(process: Process, count: number, identity?: string): Promise<void> {
    for (let i = 0; i < count; i++) await process.ask(identity);
  }
}

const offBy = ({ inputTokens }: Reserved): number => Math.abs(inputTokens / counted - 1);

describe('a process that starts beside others', () => {
  test('estimates its first prompt and answer as they do', async () => {
    const town = new Town();
    const old = town.process();
    await town.answers(old, 50);
    await town.clock.run(6_000);
    const [fresh, lone] = [town.process(), town.process(false)];
    await settled();
    const [warm, cold] = [await fresh.ask(), await lone.ask()];
    expect([offBy(cold) > 0.4, cold.outputTokens]).toEqual([true, 256]);
    expect([offBy(warm) < 0.05, warm.outputTokens]).toEqual([true, answerTokens]);
    expect(offBy(await fresh.ask('a newcomer'))).toBeLessThan(0.05);
    expect(fresh.limiter.stats().lessons).toMatchObject({ failed: 0, unreadable: 0, heard: expect.any(Number) });
    expect(lone.limiter.stats().lessons).toBeUndefined();
  });

  test('hears all there is when it begins, however much it is', async () => {
    const town = new Town();
    for (let i = 0; i < 4_096; i++)
      town.shelf.put(`output1/identity/1:m${i}`, new Uint8Array(Uint32Array.of(i + 1).buffer));
    const fresh = town.process();
    for (let i = 0; i < 200; i++) await settled();
    expect(fresh.limiter.stats().lessons).toMatchObject({ heard: 4_096, failed: 0 });
  });

  test('takes over from one that was closed a moment after its last answer', async () => {
    const town = new Town();
    const old = town.process();
    await settled();
    await town.answers(old, 20);
    expect(town.shelf.names).toEqual([]);
    await old.limiter.close();
    expect(town.shelf.names).toContain('output1/model/m');
    expect(old.limiter.stats().lessons).toMatchObject({ told: 5, failed: 0 });
    const fresh = town.process();
    await settled();
    const warm = await fresh.ask();
    expect([offBy(warm) < 0.05, warm.outputTokens]).toEqual([true, answerTokens]);
  });

  test('knows an identity well enough when several together do', async () => {
    const town = new Town();
    const all = [town.process(), town.process(), town.process()];
    // Another identity has taught the model something else.
    for (let i = 0; i < 40; i++)
      all[0]!.limiter.admit({ identity: 'bob', model: 'm', input: russian }).then((decision) => {
        if (decision.admitted) decision.permit.settle({ inputTokens: estimateTokens(russian) + 1, outputTokens: 30 });
      });
    await town.clock.run(20_000);
    for (const process of all) await town.answers(process, 3);
    expect(offBy(await all[1]!.ask())).toBeGreaterThan(0.2);
    await town.clock.run(20_000);
    for (const process of all) expect(offBy(await process.ask())).toBeLessThan(0.12);
  });

  test('and has seen enough itself goes by that, whatever others tell', async () => {
    const town = new Town();
    const [one, alone, liar] = [town.process(), town.process(false), town.process()];
    for (const process of [one, alone]) await town.answers(process, 20);
    for (let i = 0; i < 200; i++) {
      const decision = await liar.limiter.admit({ identity: 'ann', model: 'm', input: russian });
      if (decision.admitted) decision.permit.settle({ inputTokens: 1e9, outputTokens: 9e6 });
    }
    await town.clock.run(20_000);
    expect(one.limiter.stats().lessons!.heard).toBeGreaterThan(0);
    expect(await one.ask()).toEqual(await alone.ask());
  });

  test('and believed one that tells nonsense is right again after as many answers as ever', async () => {
    const town = new Town();
    const liar = town.process();
    for (let i = 0; i < 60; i++) {
      const decision = await liar.limiter.admit({ identity: 'ann', model: 'm', input: russian });
      if (decision.admitted) decision.permit.settle({ inputTokens: 1e9, outputTokens: 9e6 });
    }
    await liar.limiter.close();
    const fresh = town.process();
    await settled();
    const first = await fresh.ask();
    // Four times the estimate is the most that anybody can make of it.
    expect(first.inputTokens).toBeLessThanOrEqual(4 * estimateTokens(russian));
    await town.answers(fresh, 20);
    expect(offBy(await fresh.ask())).toBeLessThan(0.1);
  });
});

describe('a store that does not answer what is exchanged', () => {
  test('changes nothing about decisions, and is told when it is back', async () => {
    const town = new Town();
    const [one, other] = [town.process(), town.process(false)];
    await town.clock.run(100);
    const reserved = async (): Promise<unknown> => {
      const both = await Promise.all([one.ask(), other.ask()]);
      expect(both[0]).toMatchObject({ inputTokens: both[1]!.inputTokens, outputTokens: both[1]!.outputTokens });
      return both;
    };
    for (let i = 0; i < 5; i++) await reserved();
    for (const weather of ['gone', 'silent', 'replies lost'] as const) {
      one.store.weather = other.store.weather = weather;
      for (let i = 0; i < 5; i++) {
        const asked = reserved();
        await town.clock.run(4_000);
        await asked;
      }
    }
    expect(one.limiter.stats().lessons!.failed).toBeGreaterThan(5);
    one.store.recover();
    other.store.recover();
    await town.clock.run(10_000);
    await reserved();
    await town.clock.run(70_000);
    expect(town.shelf.names).toContain('input1/model/m');
  });

  test('is told once what it says it never got', async () => {
    const town = new Town();
    const one = town.process();
    await settled();
    await town.answers(one, 10);
    one.store.weather = 'gone';
    await town.clock.run(20_000);
    expect(town.shelf.names).toEqual([]);
    one.store.recover();
    await town.clock.run(20_000);
    expect(town.shelf.get('output1/model/m')).toHaveLength(4 * 10);
  });

  test('is told nothing twice that it may have got', async () => {
    const town = new Town();
    const one = town.process();
    await settled();
    await town.answers(one, 10);
    one.store.weather = 'replies lost';
    await town.clock.run(20_000);
    one.store.recover();
    await town.clock.run(20_000);
    expect(town.shelf.get('output1/model/m')).toHaveLength(4 * 10);
  });

  test('keeps no limiter from closing', async () => {
    const town = new Town();
    const one = town.process();
    await settled();
    await town.answers(one, 3);
    one.store.weather = 'silent';
    let isClosed = false;
    void one.limiter.close().then(() => {
      isClosed = true;
    });
    await town.clock.run(1_000);
    expect([isClosed, one.store.closed]).toEqual([true, true]);
  });
});

describe('what is kept and is none of ours', () => {
  test('is passed over and counted, and what is ours beside it is not', async () => {
    const town = new Town();
    const old = town.process();
    await town.answers(old, 30);
    await old.limiter.close();
    const noise = Uint8Array.from({ length: 48 }, (_, i) => 255 - i);
    town.shelf.put('input1/model/m', Uint8Array.from([...noise, ...town.shelf.get('input1/model/m')!.slice(48)]));
    town.shelf.put('output1/model/m', Uint8Array.of(1, 2, 3));
    town.shelf.put('output1/identity/9:m', Uint8Array.of(1, 2, 3, 4));
    town.shelf.put('output1', Uint8Array.of(1, 0, 0, 0));
    town.shelf.put('weather/model/m', Uint8Array.of(1, 0, 0, 0));
    const fresh = town.process();
    await settled();
    expect(fresh.limiter.stats().lessons).toMatchObject({ unreadable: 5, failed: 0 });
    expect(offBy(await fresh.ask('a newcomer'))).toBeLessThan(0.05);
  });
});

test('a limiter with counters of its own exchanges nothing', () => {
  const clock = new VirtualClock();
  const limiter = new Limiter(policy, { clock });
  expect(limiter.stats().lessons).toBeUndefined();
  expect(clock.timers).toBe(0);
});

test('what is exchanged holds no text of a prompt', async () => {
  const town = new Town();
  const one = town.process();
  await one.ask();
  await one.limiter.close();
  const floats = new DataView(town.shelf.get('input1/model/m')!.slice().buffer);
  const numbers = Array.from({ length: 12 }, (_, i) => floats.getFloat32(4 * i, true));
  expect(numbers).toEqual([...countCharacters([russian]), 0, 0, 0, counted]);
});
