/**
 * Which row is whose. A key of several scopes is looked up scope by scope, the one with the fewest values first: the strings
 * of a request know their hashes, while a key put together of them would have to be written and hashed for every decision.
 *
 *   per: [identity]          rows: ann -> 0, bob -> 1
 *   per: [identity, model]   llama3.1:8b -> rows: ann -> 0, bob -> 1
 *                            mistral:7b  -> rows: ann -> 2
 */
import type { Scope } from '../model.js';
import type { Subject } from './store.js';
import { scopeValue } from './subject.js';

/** Fewest values first, so that the outer shelves are few. */
const outermostFirst: readonly Scope[] = ['all', 'tier', 'model', 'run', 'address', 'identity'];

/** The rows of all subjects that have the same values of the outer scopes. */
class Shelf {
  readonly rows = new Map<string, number>();
  /** By the value of the next scope inwards; only where there is one. */
  shelves: Map<string, Shelf> | undefined;
  readonly outer: Shelf | undefined;
  readonly name: string;

  constructor(outer: Shelf | undefined, name: string) {
    this.outer = outer;
    this.name = name;
  }

  get empty(): boolean {
    return this.rows.size === 0 && (this.shelves === undefined || this.shelves.size === 0);
  }
}

export class Directory {
  readonly #outer: readonly Scope[];
  readonly #inner: Scope;
  readonly #root = new Shelf(undefined, '');
  /** By row: its key on its shelf, undefined when the row is nobody's. */
  readonly #keys: (string | undefined)[] = [];
  /** By row, and only where there are outer scopes: its shelf. */
  readonly #shelves: Shelf[] = [];
  #size = 0;

  constructor(per: readonly Scope[]) {
    const scopes = outermostFirst.filter((scope) => per.includes(scope));
    this.#outer = scopes.slice(0, -1);
    this.#inner = scopes.at(-1)!;
  }

  get size(): number {
    return this.#size;
  }

  /** The row of a subject, or -1 when it has none. */
  find(subject: Subject): number {
    let shelf: Shelf | undefined = this.#root;
    for (let i = 0; i < this.#outer.length; i++) {
      shelf = shelf.shelves?.get(scopeValue(this.#outer[i]!, subject));
      if (shelf === undefined) return -1;
    }
    return shelf.rows.get(scopeValue(this.#inner, subject)) ?? -1;
  }

  /** Values of the outermost scope under which there are rows; 0 where there is one scope only. */
  get shelves(): number {
    return this.#root.shelves?.size ?? 0;
  }

  has(row: number): boolean {
    return this.#keys[row] !== undefined;
  }

  /** Writes down whose a row is that was nobody's. */
  enter(row: number, subject: Subject): void {
    let shelf = this.#root;
    for (const scope of this.#outer) shelf = shelfIn(shelf, scopeValue(scope, subject));
    const key = scopeValue(this.#inner, subject);
    shelf.rows.set(key, row);
    this.#keys[row] = key;
    if (this.#outer.length > 0) this.#shelves[row] = shelf;
    this.#size++;
  }

  strike(row: number): void {
    let shelf = this.#shelves[row] ?? this.#root;
    shelf.rows.delete(this.#keys[row]!);
    this.#keys[row] = undefined;
    this.#size--;
    while (shelf.empty && shelf.outer !== undefined) {
      shelf.outer.shelves!.delete(shelf.name);
      shelf = shelf.outer;
    }
  }
}

function shelfIn(outer: Shelf, name: string): Shelf {
  outer.shelves ??= new Map();
  let shelf = outer.shelves.get(name);
  if (shelf === undefined) {
    shelf = new Shelf(outer, name);
    outer.shelves.set(name, shelf);
  }
  return shelf;
}
