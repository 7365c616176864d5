/**
 * Asks every backend at intervals whether it is well and which models it holds. How it is asked is the caller's business: the
 * gateway sends HTTP, a test says what it likes.
 */
import type { Clock, Timer } from '../kernel/clock.js';
import type { Random } from '../kernel/random.js';
import type { Backend } from '../model.js';
import type { LoadedModel } from './residency.js';

export interface Probed {
  readonly up: boolean;
  /** Models it holds in memory, canonical; absent when it does not say. */
  readonly loaded?: readonly LoadedModel[] | undefined;
}

/** Asks one backend. A rejection counts as a bad answer. */
export type ProbeBackend = (backend: Backend) => Promise<Probed>;

/** Intervals vary by a tenth either way, so that many gateways do not ask in step. */
const jitter = 0.1;
const bad: Probed = { up: false };

export interface ProbesOptions<One extends Backend> {
  readonly clock: Clock;
  readonly random: Random;
  readonly everyMs: () => number;
  readonly probe: ProbeBackend;
  readonly onProbed: (backend: One, probed: Probed) => void;
  /** The listing of one that was asked out of turn. */
  readonly onListed: (backend: One, loaded: readonly LoadedModel[]) => void;
}

interface Watch {
  timer: Timer | undefined;
  isAsking: boolean;
}

export class Probes<One extends Backend> {
  readonly #options: ProbesOptions<One>;
  readonly #watches = new Map<One, Watch>();

  constructor(options: ProbesOptions<One>) {
    this.#options = options;
  }

  /** Asks for the first time in an instant, then at intervals until `unwatch`. */
  watch(backend: One): void {
    const watch: Watch = { timer: undefined, isAsking: false };
    this.#watches.set(backend, watch);
    this.#askIn(0, backend, watch);
  }

  unwatch(backend: One): void {
    this.#watches.get(backend)?.timer?.cancel();
    this.#watches.delete(backend);
  }

  /** Asks for the listing now, because it should have changed; says nothing about health. */
  look(backend: One): void {
    const watch = this.#watches.get(backend);
    if (watch === undefined || watch.isAsking) return;
    watch.isAsking = true;
    void this.#ask(backend).then(({ loaded }) => {
      watch.isAsking = false;
      if (loaded !== undefined && this.#watches.get(backend) === watch) this.#options.onListed(backend, loaded);
    });
  }

  close(): void {
    for (const backend of [...this.#watches.keys()]) this.unwatch(backend);
  }

  #askIn(delayMs: number, backend: One, watch: Watch): void {
    watch.timer = this.#options.clock.after(delayMs, () => {
      void this.#ask(backend).then((probed) => {
        if (this.#watches.get(backend) !== watch) return;
        const { everyMs, random, onProbed } = this.#options;
        this.#askIn(everyMs() * (1 - jitter + 2 * jitter * random()), backend, watch);
        onProbed(backend, probed);
      });
    });
  }

  async #ask(backend: One): Promise<Probed> {
    try {
      return await this.#options.probe(backend);
    } catch {
      return bad;
    }
  }
}
