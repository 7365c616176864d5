/**
 * What was given, read once into plain lists and mappings. A policy made in code may hold getters, proxies and instances of
 * anything: read twice they could show the check one value and the limiter another, and some throw when they are touched.
 */
import { insteadOfOption } from './options.js';

/** Stands where there is nothing that a policy can hold, with words for the report. */
export class Unreadable {
  readonly got: string;
  readonly expected: string;

  constructor(got: string, expected = 'text, a number, `true` or `false`, a list or a mapping') {
    this.got = got;
    this.expected = expected;
  }
}

/** Deeper than any policy needs; a list that holds itself ends here. */
const depthMax = 24;
/** Tens of thousands of declared keys; lists that hold each other many times end here. */
const valuesMax = 200_000;

const tooDeep = new Unreadable('more levels than that', `no more than ${depthMax} levels of nesting`);
const tooMany = new Unreadable('more values than that', `no more than ${valuesMax} values in one policy`);

export function snapshot(given: unknown): unknown {
  let values = 0;

  function read(value: unknown, depth: number): unknown {
    if (typeof value === 'symbol' || typeof value === 'function') return new Unreadable(`a ${typeof value}`);
    if (typeof value !== 'object' || value === null) return value;
    if (depth > depthMax) return tooDeep;
    if (Array.isArray(value)) return readList(value, depth);
    return isPlain(value) ? readMapping(value, depth) : new Unreadable(`a ${kindOf(value)}`);
  }

  function readList(list: readonly unknown[], depth: number): unknown {
    const length = Math.max(0, list.length);
    count(length);
    return Array.from({ length }, (_, index) => readPart(list, index, depth));
  }

  function readMapping(mapping: object, depth: number): unknown {
    const keys = Object.keys(mapping);
    count(keys.length);
    return Object.fromEntries(keys.map((key) => [key, readPart(mapping, key, depth)]));
  }

  function readPart(whole: object, key: string | number, depth: number): unknown {
    return reading(() => {
      const value = (whole as Record<string | number, unknown>)[key];
      const expected = depth === 0 && typeof key === 'string' ? insteadOfOption(key, value) : undefined;
      if (expected === undefined) return read(value, depth + 1);
      return new Unreadable(typeof value === 'object' ? `a ${kindOf(value!)}` : `a ${typeof value}`, expected);
    });
  }

  function count(more: number): void {
    values += more;
    if (!(values <= valuesMax)) throw tooMany;
  }

  try {
    return reading(() => read(given, 0));
  } catch {
    return tooMany;
  }
}

function reading(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error === tooMany) throw error;
    // What it threw may hold anything, secrets too, so it is not shown.
    return new Unreadable('a value that throws when it is read');
  }
}

/** Instances may keep their settings in accessors of their class, where no list of keys shows them. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function kindOf(value: object): string {
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return tag === 'Object' ? 'mapping made by a class' : tag;
}
