/** What a replay finds out about one limit. */
import type { Limit } from '@headgate/core';
import { Amounts, Trailing } from './fit.js';
import { Histogram } from './histogram.js';

/** Counters followed one by one; past this the others are followed together, which can only make a fit larger. */
const keysMax = 100_000;
const together = '\u0000others';

export interface Fit {
  readonly p95: number;
  readonly p99: number;
  readonly p100: number;
}

export class LimitResult {
  readonly name: string;
  /** Absent for a rule of a tier that is no limit: its models, its largest prompt. */
  readonly limit: Limit | undefined;
  readonly when: Histogram;
  readonly #refusals = new Map<string, number>();
  readonly #used = new Map<string, Trailing>();
  readonly #atOnce = new Map<string, { running: number; readonly amounts: Amounts }>();
  refused = 0;

  constructor(name: string, limit: Limit | undefined, from: number) {
    this.name = name;
    this.limit = limit;
    this.when = new Histogram(from);
  }

  refuse(identity: string, at: number): void {
    this.refused++;
    this.when.add(at);
    const key = this.#refusals.has(identity) || this.#refusals.size < keysMax ? identity : together;
    this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1);
  }

  /** A request used so many units of the counter that its scope names. */
  use(scope: string, at: number, units: number): void {
    const key = this.#used.has(scope) || this.#used.size < keysMax ? scope : together;
    let trailing = this.#used.get(key);
    if (trailing === undefined) {
      trailing = new Trailing(this.limit!.periodMs);
      this.#used.set(key, trailing);
    }
    trailing.use(at, units);
  }

  /** A request of the scope begins to run; returns how to end it. */
  begin(scope: string): () => void {
    const key = this.#atOnce.has(scope) || this.#atOnce.size < keysMax ? scope : together;
    let running = this.#atOnce.get(key);
    if (running === undefined) {
      running = { running: 0, amounts: new Amounts() };
      this.#atOnce.set(key, running);
    }
    running.amounts.add(++running.running);
    return () => {
      running.running--;
    };
  }

  /** Identities that were refused. */
  get identities(): number {
    return this.#refusals.size;
  }

  /** Those refused most, most first. */
  top(count: number): { readonly identity: string; readonly refused: number }[] {
    return [...this.#refusals]
      .map(([identity, refused]) => ({ identity: identity === together ? 'others' : identity, refused }))
      .sort((a, b) => b.refused - a.refused)
      .slice(0, count);
  }

  /** Amounts that would have let so much of everybody's traffic pass; undefined where the log does not tell. */
  get fit(): Fit | undefined {
    const all = [
      ...[...this.#used.values()].map(({ amounts }) => amounts),
      ...[...this.#atOnce.values()].map(({ amounts }) => amounts),
    ];
    if (all.length === 0) return undefined;
    const largest = (share: number): number => all.reduce((max, amounts) => Math.max(max, amounts.quantile(share)), 0);
    return { p95: largest(0.95), p99: largest(0.99), p100: largest(1) };
  }
}
