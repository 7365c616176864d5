/** Who asks how often: workers that each send one request after the other, to any of the gateways. */
import { type Identity, rules } from '../rules.js';
import { pause } from './backends.js';
import type { World } from './world.js';

interface Kind {
  readonly identity: Identity;
  readonly workers: number;
  /** Between an answer and the next request, at most. */
  readonly thinkMs: number;
  readonly answerTokens: () => number;
  /** How many of its requests end because it leaves, at some time within half a second. */
  readonly leaving: number;
}

/** After a gateway could not be reached, or has refused. */
const pauseMs = 40;

export class Load {
  readonly #world: World;
  readonly #random: () => number;
  #isOver = false;
  #working: Promise<void>[] = [];

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
  }

  /** All kinds of clients, some of whom leave. */
  mixed(): void {
    const some = (): number => 1 + Math.floor(this.#random() * rules.answerMax);
    const leaving = 0.15;
    this.#begin([
      { identity: 'paced-1', workers: 4, thinkMs: 20, answerTokens: () => 3, leaving },
      { identity: 'paced-2', workers: 2, thinkMs: 300, answerTokens: some, leaving },
      { identity: 'spender', workers: 6, thinkMs: 100, answerTokens: some, leaving },
      { identity: 'plain', workers: 8, thinkMs: 200, answerTokens: some, leaving },
    ]);
  }

  /** Two that always wait, at every gateway alike, and stay: one with long answers, one with short ones. Beside them one that never stays. */
  fair(): void {
    for (const { name } of this.#world.gateways) {
      this.#begin(
        [
          { identity: 'fair-long', workers: rules.house, thinkMs: 0, answerTokens: () => rules.answerMax, leaving: 0 },
          {
            identity: 'fair-short',
            workers: rules.house,
            thinkMs: 0,
            answerTokens: () => rules.answerMax / 5,
            leaving: 0,
          },
          { identity: 'leaver', workers: 2, thinkMs: 50, answerTokens: () => rules.answerMax, leaving: 1 },
        ],
        name,
      );
    }
  }

  #begin(kinds: readonly Kind[], gateway?: string): void {
    for (const kind of kinds) {
      for (let worker = 0; worker < kind.workers; worker++) this.#working.push(this.#work(kind, gateway));
    }
  }

  async #work({ identity, thinkMs, answerTokens, leaving }: Kind, fixed?: string): Promise<void> {
    const { gateways, clients } = this.#world;
    const random = this.#random;
    while (!this.#isOver) {
      const name = fixed ?? gateways[Math.floor(random() * gateways.length)]!.name;
      const { port } = this.#world.gateway(name);
      const leaves = random() < leaving;
      const { ending } = await clients.ask({
        ...{ identity, gateway: name, port, answerTokens: answerTokens(), stream: random() < 0.8 },
        leavesAfterMs: leaves ? random() * 500 : undefined,
      });
      await pause(ending === 'whole' || ending === 'left' ? random() * thinkMs : pauseMs);
    }
  }

  /** Nobody asks any more; resolves when everybody has got the last answer. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#working);
  }
}
