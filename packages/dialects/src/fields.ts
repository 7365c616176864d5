/**
 * Typed access to a checked body. Every getter notes the first thing that is wrong and goes on with `undefined`, so a
 * reader reads top to bottom and asks once, at the end, whether the body was in order. `null` is absent, as in Go.
 */
import type { JsonObject, JsonValue, Refusal } from '@headgate/core';
import { type FieldNames, lookAlike } from './keys.js';

export type Expected = 'string' | 'boolean' | 'integer' | 'array' | 'object' | 'string or array' | 'string or number';

/** How a dialect says that a field has the wrong type; `path` is like `messages[0].content`. */
export type Wording = (path: string, expected: Expected, found: JsonValue) => string;

/** The JSON type of a value in the words of the specification. */
export function typeOf(value: JsonValue): 'null' | 'array' | 'object' | 'string' | 'number' | 'boolean' {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as 'object' | 'string' | 'number' | 'boolean';
}

/** The first thing wrong with one body. */
export class Problems {
  readonly #wording: Wording;
  first: Refusal | undefined;

  constructor(wording: Wording) {
    this.#wording = wording;
  }

  bad(message: string): undefined {
    return this.refuse({ reason: 'bad-request', status: 400, message });
  }

  refuse(refusal: Refusal): undefined {
    this.first ??= refusal;
    return undefined;
  }

  wrongType(path: string, expected: Expected, found: JsonValue): undefined {
    return this.bad(this.#wording(path, expected, found));
  }
}

export class Fields {
  readonly object: JsonObject;
  readonly problems: Problems;
  readonly #path: string;

  /** @param path where the object stands in the body, ending in `.`; empty at the top */
  constructor(object: JsonObject, names: FieldNames, problems: Problems, path = '') {
    this.object = object;
    this.problems = problems;
    this.#path = path;
    const alike = lookAlike(object, names);
    if (alike !== undefined) {
      const key = JSON.stringify(alike.key.slice(0, 64));
      problems.bad(
        `unknown field ${key} in ${path === '' ? 'the body' : path.slice(0, -1)}: write it ${JSON.stringify(alike.name)}`,
      );
    }
  }

  /** The value if the key is the object's own and not null. */
  value(key: string): Exclude<JsonValue, null> | undefined {
    return Object.hasOwn(this.object, key) ? (this.object[key] ?? undefined) : undefined;
  }

  path(key: string): string {
    return `${this.#path}${key}`;
  }

  string(key: string): string | undefined {
    const value = this.value(key);
    return value === undefined || typeof value === 'string' ? value : this.wrong(key, 'string', value);
  }

  boolean(key: string): boolean | undefined {
    const value = this.value(key);
    return value === undefined || typeof value === 'boolean' ? value : this.wrong(key, 'boolean', value);
  }

  /** Whole numbers that a double holds exactly; the rest is a wrong type, as it is in Go. */
  integer(key: string): number | undefined {
    const value = this.value(key);
    return value === undefined || Number.isSafeInteger(value)
      ? (value as number | undefined)
      : this.wrong(key, 'integer', value);
  }

  array(key: string): JsonValue[] | undefined {
    const value = this.value(key);
    return value === undefined || Array.isArray(value) ? value : this.wrong(key, 'array', value);
  }

  /** A nested object, its own keys checked against `names`. */
  fields(key: string, names: FieldNames): Fields | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) return this.wrong(key, 'object', value);
    return new Fields(value, names, this.problems, `${this.path(key)}.`);
  }

  /** An array of objects, the keys of each checked against `names`. */
  list(key: string, names: FieldNames): Fields[] | undefined {
    return this.array(key)?.flatMap((value, index) => this.element(key, index, value, names) ?? []);
  }

  element(key: string, index: number, value: JsonValue, names: FieldNames): Fields | undefined {
    if (isObject(value)) return new Fields(value, names, this.problems, `${this.path(key)}[${index}].`);
    return this.wrong(`${key}[${index}]`, 'object', value);
  }

  strings(key: string): string[] | undefined {
    const values = this.array(key);
    const at = values?.findIndex((value) => typeof value !== 'string') ?? -1;
    return at < 0 ? (values as string[] | undefined) : this.wrong(`${key}[${at}]`, 'string', values![at]!);
  }

  wrong(key: string, expected: Expected, found: JsonValue): undefined {
    return this.problems.wrongType(this.path(key), expected, found);
  }
}

const nothing: ReadonlySet<string> = new Set();

/**
 * A copy that may be changed, without some of the keys. Not by spreading: what is added to such a copy costs more than all of
 * the copying. A key `__proto__` is one like any other.
 */
export function copyOf(object: JsonObject, without: ReadonlySet<string> = nothing): JsonObject {
  const copy: JsonObject = {};
  for (const key of Object.keys(object)) {
    if (without.has(key)) continue;
    const value = object[key]!;
    if (key !== '__proto__') copy[key] = value;
    else Object.defineProperty(copy, key, { value, configurable: true, enumerable: true, writable: true });
  }
  return copy;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
