/**
 * A binary heap, smallest first, for items whose keys change while they are in it. A key that rises need not be told: the
 * heap orders by the keys it last saw, which are then too small, and looks again at whatever comes first (Sheng et al.'s
 * counters rise with every token, so telling each rise would cost O(log n) a token). A key that falls must be told by
 * `update`.
 *
 *   add, remove, update O(log n) · first O(1), and O(log n) for each rise that it meets
 */

/** A key of an item as it is now. */
export type Key<Item> = (item: Item) => number;

/** Where an item is in its heap; whoever added it keeps this to take it out again. */
export interface Place<Item> {
  readonly item: Item;
  /** As last seen. */
  readonly keys: Float64Array;
  /** -1 when it is in the heap no longer. */
  index: number;
}

export class Heap<Item> {
  readonly #places: Place<Item>[] = [];
  readonly #keys: readonly Key<Item>[];

  /** @param keys the first decides; the others decide between those that are equal by the ones before */
  constructor(...keys: readonly Key<Item>[]) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#places.length;
  }

  add(item: Item): Place<Item> {
    const keys = new Float64Array(this.#keys.length);
    const place = { item, keys, index: this.#places.length };
    this.#look(place);
    this.#places.push(place);
    this.#rise(place);
    return place;
  }

  /** The item with the smallest key as it is now. */
  first(): Item | undefined {
    for (;;) {
      const top = this.#places[0];
      if (top === undefined || !this.#look(top)) return top?.item;
      this.#sink(top);
    }
  }

  removeFirst(): Item | undefined {
    const first = this.first();
    if (first !== undefined) this.remove(this.#places[0]!);
    return first;
  }

  /** Looks at the item's keys again. */
  update(place: Place<Item>): void {
    if (place.index === -1 || !this.#look(place)) return;
    this.#rise(place);
    this.#sink(place);
  }

  remove(place: Place<Item>): void {
    const { index } = place;
    if (index === -1) return;
    place.index = -1;
    const last = this.#places.pop()!;
    if (last === place) return;
    last.index = index;
    this.#places[index] = last;
    this.#rise(last);
    this.#sink(last);
  }

  /** True when the keys are not those last seen. */
  #look({ item, keys }: Place<Item>): boolean {
    let differs = false;
    for (let i = 0; i < keys.length; i++) {
      const key = this.#keys[i]!(item);
      // `Object.is`, so that a key that is no number is not seen to change for ever.
      if (Object.is(key, keys[i])) continue;
      keys[i] = key;
      differs = true;
    }
    return differs;
  }

  #rise(place: Place<Item>): void {
    const places = this.#places;
    while (place.index > 0) {
      const parent = places[(place.index - 1) >> 1]!;
      if (!isBefore(place, parent)) return;
      this.#swap(place, parent);
    }
  }

  #sink(place: Place<Item>): void {
    const places = this.#places;
    for (;;) {
      const left = places[2 * place.index + 1];
      if (left === undefined) return;
      const right = places[2 * place.index + 2];
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (!isBefore(child, place)) return;
      this.#swap(child, place);
    }
  }

  #swap(a: Place<Item>, b: Place<Item>): void {
    const { index } = a;
    a.index = b.index;
    b.index = index;
    this.#places[a.index] = a;
    this.#places[b.index] = b;
  }
}

function isBefore<Item>(a: Place<Item>, b: Place<Item>): boolean {
  for (let i = 0; i < a.keys.length; i++) {
    if (a.keys[i] !== b.keys[i]) return a.keys[i]! < b.keys[i]!;
  }
  return false;
}
