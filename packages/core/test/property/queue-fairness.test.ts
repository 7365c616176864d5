/** What the queue promises between identities and between priorities, under bursts, against plain accounts of what was served. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Limiter } from '../../src/limiter.js';
import type { Identity, Priority } from '../../src/model.js';
import type { Permit } from '../../src/settlement/permit.js';
import { settled } from '../../src/testing/virtual-clock.js';
import { type BurstAction, bursts, playBurst } from '../support/bursts.js';
import { Crowd } from '../support/crowd.js';
import { second, world } from '../support/fixtures.js';

const effort = { runs: 80 };
const inputTokensMost = 40;
const outputTokensMost = 30;

interface Guest {
  readonly who: number;
  readonly outputTokens: number;
  readonly controller: AbortController;
  state: 'deciding' | 'running' | 'over';
  permit?: Permit;
  written: number;
}

/** Clients in front of a limiter and a backend behind it, with plain accounts of what everyone was served. */
class Town {
  readonly limiter: Limiter;
  readonly #identities: readonly Identity[];
  readonly #guests: Guest[] = [];
  /** By identity, divided by its weight. */
  readonly served: number[];
  readonly waiting: number[];
  /** Told when nobody of an identity waits any more. */
  onNoneWaits: (who: number) => void = () => {};

  constructor(limiter: Limiter, identities: readonly Identity[]) {
    this.limiter = limiter;
    this.#identities = identities;
    this.served = identities.map(() => 0);
    this.waiting = identities.map(() => 0);
    limiter.on('request-queued', ({ identity }) => this.waiting[identities.indexOf(this.#of(identity.id))]!++);
    // A newcomer whose identity waits has to wait behind, so whoever is let through then was waiting.
    for (const name of ['request-admitted', 'waiter-left'] as const) {
      limiter.on(name, ({ identity }) => this.#noLongerWaits(identities.indexOf(this.#of(identity.id))));
    }
  }

  #of(id: string): Identity {
    return this.#identities.find((identity) => identity.id === id)!;
  }

  #noLongerWaits(who: number): void {
    if (this.waiting[who] === 0) return;
    this.waiting[who]!--;
    if (this.waiting[who] === 0) this.onNoneWaits(who);
  }

  isIdle(who: number): boolean {
    return this.#guests.every((guest) => guest.who !== who || guest.state === 'over');
  }

  play({ who, inputTokens, outputTokens, write, leaves }: Turn): void {
    if (write > 0) this.#write(write);
    else if (leaves >= 0) this.#guests.filter(({ state }) => state !== 'over')[leaves]?.controller.abort('left');
    else this.#arrive(who % this.#identities.length, inputTokens, outputTokens);
  }

  #arrive(who: number, inputTokens: number, outputTokens: number): void {
    const controller = new AbortController();
    const guest: Guest = { who, outputTokens, controller, state: 'deciding', written: 0 };
    this.#guests.push(guest);
    controller.signal.addEventListener('abort', () => {
      if (guest.state === 'running') this.#end(guest);
    });
    const request = { identity: this.#identities[who]!, input: { tokens: inputTokens } };
    this.limiter.admit(request, { signal: controller.signal }).then(
      (decision) => {
        if (!decision.admitted) throw new Error(`refused: ${decision.refusal.reason}`);
        guest.permit = decision.permit;
        guest.state = 'running';
        this.served[who]! += inputTokens / this.#identities[who]!.weight;
      },
      () => {
        guest.state = 'over';
      },
    );
  }

  /** Everything that runs writes so many tokens. */
  #write(tokens: number): void {
    for (const guest of this.#guests) {
      if (guest.state !== 'running') continue;
      const more = Math.min(tokens, guest.outputTokens - guest.written);
      guest.permit!.meter(more);
      guest.written += more;
      this.served[guest.who]! += (2 * more) / this.#identities[guest.who]!.weight;
      if (guest.written === guest.outputTokens) this.#end(guest);
    }
  }

  #end(guest: Guest): void {
    guest.state = 'over';
    guest.permit!.settle({ outputTokens: guest.written });
  }
}

/** One thing that happens: tokens are written, or a client leaves, or a request comes. */
interface Turn {
  readonly who: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** 0: not this. */
  readonly write: number;
  /** Below 0: not this. */
  readonly leaves: number;
  readonly microtasks: number;
}

const turn: fc.Arbitrary<Turn> = fc.record({
  who: fc.nat({ max: 3 }),
  inputTokens: fc.nat({ max: inputTokensMost }),
  outputTokens: fc.integer({ min: 1, max: outputTokensMost }),
  write: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 12 })),
  leaves: fc.oneof({ weight: 8, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) }),
  microtasks: fc.nat({ max: 3 }),
});
/** The same few things several times over, so that some are behind and lengths can be learned. */
const days = fc.array(fc.record({ turns: fc.array(turn, { maxLength: 10 }), times: fc.integer({ min: 1, max: 5 }) }), {
  maxLength: 12,
});
const town = fc.record({
  slots: fc.integer({ min: 1, max: 3 }),
  weights: fc.array(fc.constantFrom(1, 1, 2, 4), { minLength: 2, maxLength: 4 }),
});

const policyOf = (slots: number, queue: object = {}): object => ({
  backends: [{ url: 'http://a', slots }],
  queue: { depth: 10_000, wait: '1000h', ...queue },
});

interface Setting {
  readonly slots: number;
  readonly weights: readonly number[];
}

/** What may run at once and is not accounted for when somebody is let through, by the smallest weight. */
const unit = ({ slots, weights }: Setting): number =>
  (inputTokensMost + 2 * slots * outputTokensMost) / Math.min(...weights);

function townOf({ slots, weights }: Setting): Town {
  const identities = weights.map((weight, i): Identity => {
    return { id: `id${i}`, tier: 'default', weight, priority: 'normal' };
  });
  return new Town(world(policyOf(slots)).limiter, identities);
}

const pairsOf = (count: number): [number, number][] =>
  Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b): [number, number] => [a, b]))
    .flat()
    .filter(([a, b]) => a !== b);

describe('between identities', () => {
  test('while two wait for the same slots, what they were served by weight drifts apart no further than the bound', () =>
    holds(
      fc.asyncProperty(town, days, async (setting, all) => {
        const one = townOf(setting);
        const lowest = new Map<string, number>();
        one.onNoneWaits = (who) => {
          for (const key of lowest.keys()) if (key.split(' ').includes(String(who))) lowest.delete(key);
        };
        for (const turns of all.flatMap(({ turns, times }) => Array.from({ length: times }, () => turns))) {
          for (const each of turns) {
            one.play(each);
            for (let n = 0; n < each.microtasks; n++) await Promise.resolve();
          }
          await settled();
          for (const [a, b] of pairsOf(setting.weights.length)) {
            if (one.waiting[a] === 0 || one.waiting[b] === 0) continue;
            const ahead = one.served[a]! - one.served[b]!;
            const least = Math.min(ahead, lowest.get(`${a} ${b}`) ?? ahead);
            lowest.set(`${a} ${b}`, least);
            expect(ahead - least, `${a} and ${b}`).toBeLessThanOrEqual(2 * unit(setting) + 1e-9);
          }
        }
      }),
      effort,
    ));

  const size = fc.record({
    inputTokens: fc.nat({ max: inputTokensMost }),
    outputTokens: fc.integer({ min: 1, max: outputTokensMost }),
  });

  test('while one waits, another that sends now and then is served no more than it: no debt is laundered by idling', () =>
    holds(
      fc.asyncProperty(
        town,
        size,
        size,
        fc.array(turn, { maxLength: 120, size: 'max' }),
        async (setting, of, other, turns) => {
          const { weights } = setting;
          let least = 0;
          const one = townOf(setting);
          const nothing = { write: 0, leaves: -1, microtasks: 0 };
          for (const each of turns) {
            // The first always has somebody waiting; the second sends only when it has nothing here.
            while (one.waiting[0]! < 2) {
              one.play({ who: 0, ...of, ...nothing });
              await settled();
            }
            if (one.isIdle(1)) one.play({ who: 1, ...other, ...nothing });
            one.play({ ...each, who: 2 + (each.who % Math.max(1, weights.length - 2)), write: each.write });
            for (let n = 0; n < each.microtasks; n++) await Promise.resolve();
            await settled();
            const ahead = one.served[1]! - one.served[0]!;
            least = Math.min(least, ahead);
            expect(ahead - least).toBeLessThanOrEqual(2 * unit(setting) + 1e-9);
          }
        },
      ),
      effort,
    ));
});

describe('with strict priorities', () => {
  const agingMs = 5 * second;
  const priorities: readonly Priority[] = ['high', 'normal', 'low'];
  const some = bursts({ senders: 3, kinds: 3, length: 80, advanceMsMax: 4_000 });

  test('whoever has aged is passed over at most every second time', () =>
    holds(
      fc.asyncProperty(some, fc.integer({ min: 1, max: 2 }), async (steps, slots) => {
        const queue = { priority: 'strict', aging: '5s' };
        const { clock, limiter } = world(policyOf(slots, queue));
        const crowd = new Crowd(limiter, clock);
        const waiting = new Map<string, { readonly rank: number; readonly since: number }>();
        const passedOver: string[] = [];
        let passed = false;
        const rank = ({ priority }: Identity): number => priorities.indexOf(priority);
        limiter.on('request-queued', ({ identity }) =>
          waiting.set(identity.id, { rank: rank(identity), since: clock.now() }),
        );
        limiter.on('waiter-left', ({ identity }) => waiting.delete(identity.id));
        limiter.on('request-admitted', ({ identity }) => {
          waiting.delete(identity.id);
          const own = rank(identity);
          const others = [...waiting];
          // Where something higher waits too, this was the turn of those that have aged, which share it.
          const isTopmost = others.every(([, other]) => other.rank >= own);
          const aged = others.find(([, other]) => {
            return isTopmost && other.rank > own && clock.now() - other.since >= agingMs;
          });
          if (aged !== undefined && passed) passedOver.push(`${aged[0]} was passed over twice, by ${identity.id}`);
          passed = aged !== undefined;
        });
        let number = 0;
        const request = ({ who }: Extract<BurstAction, { do: 'arrive' }>) => {
          return { id: `${priorities[who]} ${number++}`, priority: priorities[who]! };
        };
        await playBurst(steps, (action) => {
          if (action.do === 'arrive') crowd.arrive({ identity: request(action) });
          else crowd.play(action);
        });
        await crowd.goHome();
        expect(passedOver).toEqual([]);
      }),
      effort,
    ));

  test('nothing lower is let through while something higher can go, unless it has aged', () =>
    holds(
      fc.asyncProperty(some, async (steps) => {
        const { clock, limiter } = world(policyOf(1, { priority: 'strict', aging: '5s' }));
        const crowd = new Crowd(limiter, clock);
        const waiting = new Map<string, { readonly rank: number; readonly since: number }>();
        const wrong: string[] = [];
        const rank = ({ priority }: Identity): number => priorities.indexOf(priority);
        limiter.on('request-queued', ({ identity }) =>
          waiting.set(identity.id, { rank: rank(identity), since: clock.now() }),
        );
        limiter.on('waiter-left', ({ identity }) => waiting.delete(identity.id));
        limiter.on('request-admitted', ({ identity }) => {
          const own = rank(identity);
          const oldest = [...waiting.values()].filter((one) => one.rank === own)[0];
          waiting.delete(identity.id);
          const higher = [...waiting].find(([, other]) => other.rank < own);
          const hasAged = oldest !== undefined && clock.now() - oldest.since >= agingMs;
          if (higher !== undefined && !hasAged) wrong.push(`${identity.id} before ${higher[0]}`);
        });
        let number = 0;
        await playBurst(steps, (action) => {
          if (action.do !== 'arrive') crowd.play(action);
          else
            crowd.arrive({
              identity: { id: `${priorities[action.who]} ${number++}`, priority: priorities[action.who]! },
            });
        });
        await crowd.goHome();
        expect(wrong).toEqual([]);
      }),
      effort,
    ));
});
