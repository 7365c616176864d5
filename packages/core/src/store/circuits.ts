/** One circuit for each place where a shared store keeps counters: a server of a Cluster may be gone while the others are well. */
import type { Clock } from '../kernel/clock.js';
import type { Random } from '../kernel/random.js';
import { Circuit } from './circuit.js';
import type { Patience } from './patience.js';
import type { LimitSet, Store, Subject } from './store.js';

export interface CircuitsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly patience: Patience;
  /** Told when the first place is gone, and when none is any more. */
  readonly onChange: (isDown: boolean, cause?: unknown) => void;
  /** Told when a place is back. */
  readonly onBack: () => void;
}

/** A place goes by its servers, which change: so many circuits are kept before those that are closed are dropped. */
const placesMax = 64;

export class PlaceCircuit extends Circuit {
  /** What was asked last: asked about again to see whether the place is back. */
  last: readonly [set: LimitSet, subject: Subject] | undefined;
}

export class Circuits {
  readonly #options: CircuitsOptions;
  readonly #circuits = new Map<string, PlaceCircuit>();
  #open = 0;
  #isOver = false;

  constructor(options: CircuitsOptions) {
    this.#options = options;
  }

  /** Of the place where the counters of a decision live. */
  of(set: LimitSet, subject: Subject): PlaceCircuit {
    const place = this.#options.store.placeOf?.(set, subject) ?? '';
    return this.#circuits.get(place) ?? this.#add(place);
  }

  #add(place: string): PlaceCircuit {
    if (this.#circuits.size >= placesMax) {
      for (const [name, { isOpen }] of this.#circuits) if (!isOpen) this.#circuits.delete(name);
    }
    const { store, clock, random, patience, onChange, onBack } = this.#options;
    const circuit: PlaceCircuit = new PlaceCircuit({
      clock,
      random,
      probe: async () => {
        if (circuit.last === undefined) return;
        const asked = store.probe?.(...circuit.last) ?? store.peek(...circuit.last);
        await patience.wait<unknown>(asked, circuit);
      },
      onOpen: (cause) => {
        if (this.#open++ === 0) onChange(true, cause);
      },
      onClose: () => {
        this.#open--;
        onBack();
        if (this.#open === 0) onChange(false);
      },
    });
    if (this.#isOver) circuit.close();
    this.#circuits.set(place, circuit);
    return circuit;
  }

  /** Probes no more, and never again. */
  close(): void {
    this.#isOver = true;
    for (const circuit of this.#circuits.values()) circuit.close();
  }
}
