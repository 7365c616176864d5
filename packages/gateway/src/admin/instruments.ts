/** The kinds of metrics, each made in one line, and what keeps their labels few. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Label values that are kept apart, up to a number; what comes after that is told together. */
export class Few {
  readonly #max: number;
  readonly #seen = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether it is one of those that are kept apart. */
  has(value: string): boolean {
    if (this.#seen.has(value)) return true;
    if (this.#seen.size >= this.#max) return false;
    this.#seen.add(value);
    return true;
  }

  /** The value itself, or `other`. */
  of(value: string): string {
    return this.has(value) ? value : 'other';
  }

  /** The same, but what is new stays so. */
  known(value: string): string {
    return this.#seen.has(value) ? value : 'other';
  }
}

/** A number for each value of one label, read when somebody asks. */
export type Readings = Iterable<readonly [labelValue: string, value: number]>;

export interface Described {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labelNames: readonly string[];
}

export class Instruments {
  readonly registry = new Registry();
  /** All there are. */
  readonly described: Described[] = [];

  counter<Label extends string>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    this.described.push({ name, kind: 'counter', labelNames });
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: Label[] = [],
  ): Histogram<Label> {
    this.described.push({ name, kind: 'histogram', labelNames });
    return new Histogram({ name, help, buckets: [...buckets], labelNames, registers: [this.registry] });
  }

  /** A number that is read when somebody asks. */
  gauge(name: string, help: string, read: () => number): void {
    this.described.push({ name, kind: 'gauge', labelNames: [] });
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  gauges<Label extends string>(name: string, help: string, label: Label, read: () => Readings): void {
    this.described.push({ name, kind: 'gauge', labelNames: [label] });
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, reading] of read()) this.set({ [label]: value } as Record<Label, string>, reading);
      },
    });
  }

  /** A number that only grows, and that somebody else counts. */
  counted(name: string, help: string, read: () => number): void {
    this.described.push({ name, kind: 'counter', labelNames: [] });
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  counts<Label extends string>(name: string, help: string, label: Label, read: () => Readings): void {
    this.described.push({ name, kind: 'counter', labelNames: [label] });
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, reading] of read()) this.inc({ [label]: value } as Record<Label, string>, reading);
      },
    });
  }
}
