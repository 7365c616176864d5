/** An async iterable, with all else that it can do, whose items are counted as they are taken. */
import type { Meter } from './meter.js';

type Step<Item> = IteratorResult<Item, unknown>;

class MeteredIterator<Item> implements AsyncIterableIterator<Item, unknown> {
  readonly #source: AsyncIterator<Item, unknown>;
  readonly #meter: Meter<Item>;
  /** Kept so that the whole counts as held while somebody iterates. */
  readonly owner: object;
  #over = false;

  constructor(source: AsyncIterator<Item, unknown>, meter: Meter<Item>, owner: object) {
    this.#source = source;
    this.#meter = meter;
    this.owner = owner;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(...args: [] | [unknown]): Promise<Step<Item>> {
    if (this.#over) return { done: true, value: undefined };
    try {
      const step = await Promise.race([this.#source.next(...(args as [])), this.#meter.stopped]);
      if (step.done === true) {
        this.#over = true;
        this.#meter.end();
        return step;
      }
      if (this.#meter.admits(step.value)) return step;
    } catch (error) {
      this.#over = true;
      this.#meter.fail();
      this.#release();
      throw error;
    }
    this.#over = true;
    this.#release();
    this.#meter.cut();
    return { done: true, value: undefined };
  }

  async return(value?: unknown): Promise<Step<Item>> {
    this.#over = true;
    this.#meter.leave();
    return (await this.#source.return?.(value)) ?? { done: true, value };
  }

  async throw(error?: unknown): Promise<Step<Item>> {
    this.#over = true;
    this.#meter.leave();
    if (this.#source.throw === undefined) throw error;
    return this.#source.throw(error);
  }

  /** The source may be waiting for its backend, so nobody waits for it. */
  #release(): void {
    const told = async (): Promise<unknown> => this.#source.return?.();
    told().catch(() => {});
  }
}

export function meteredIterable<Source extends AsyncIterable<unknown>>(source: Source, meter: Meter<unknown>): Source {
  let iterator: MeteredIterator<unknown> | undefined;
  const iterate = (): MeteredIterator<unknown> => {
    try {
      iterator ??= new MeteredIterator(source[Symbol.asyncIterator](), meter, proxy);
    } catch (error) {
      meter.fail();
      throw error;
    }
    return iterator;
  };
  const proxy: Source = new Proxy(source, {
    get(target, key) {
      if (key === Symbol.asyncIterator) return iterate;
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      // A generator is its own iterator; whatever else the source can do, it does as itself.
      if (key === 'next' || key === 'return' || key === 'throw') return iterate()[key].bind(iterate());
      return value.bind(target);
    },
  });
  meter.watch(proxy);
  return proxy;
}

export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof (value as Partial<AsyncIterable<unknown>> | null | undefined)?.[Symbol.asyncIterator] === 'function';
}
