/**
 * A doubly linked list: first, last, push and remove in O(1), which a `Set` with holes at its front does not give. Nor does what comes and
 * goes by the thousand belong into a `Set`: each time its table is made anew the former one goes on to hold what it held, and leads to the
 * next. Once one of them has grown old, everything after it is kept until a full collection.
 */
export interface Link<Item> {
  readonly item: Item;
  /** The list it is in; undefined once removed. */
  list: List<Item> | undefined;
  before: Link<Item> | undefined;
  after: Link<Item> | undefined;
}

export class List<Item> {
  #first: Link<Item> | undefined;
  #last: Link<Item> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Item | undefined {
    return this.#first?.item;
  }

  get last(): Item | undefined {
    return this.#last?.item;
  }

  push(item: Item): Link<Item> {
    const link: Link<Item> = { item, list: this, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  /** False when it was not in this list. */
  remove(link: Link<Item>): boolean {
    if (link.list !== this) return false;
    const { before, after } = link;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    link.list = undefined;
    // A link that has grown old must not keep all that came after it.
    link.before = undefined;
    link.after = undefined;
    this.#size--;
    return true;
  }

  /** In order; nothing may be removed meanwhile. */
  *[Symbol.iterator](): Iterator<Item> {
    for (let link = this.#first; link !== undefined; link = link.after) yield link.item;
  }
}
