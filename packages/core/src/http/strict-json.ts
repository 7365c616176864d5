/**
 * JSON as one reader and every other reader agree on it. `JSON.parse` keeps the last of two equal keys, Go's reader the
 * last of two keys that differ only in case, and others the first; a limiter that checks one and forwards the other can
 * be walked around, so what may be read in two ways is refused here.
 *
 * The text is scanned once for what `JSON.parse` does not report (duplicate keys, depth, numbers too large for a double)
 * and then parsed. The scan believes that the text is JSON; what it finds counts only once the parser has agreed.
 * Depth and the number of keys and values are judged before parsing: a body of 20 MB that is all brackets or all keys
 * would hold up a parser, and with it every other request, for seconds.
 */
import type { JsonValue } from './dialect.js';

export type ParsedJson =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly problem: string };

export interface JsonLimits {
  /** Deepest nesting of objects and arrays together; default 100. */
  readonly depthMax?: number;
  /** Most keys of all objects together; default 200,000. */
  readonly keysMax?: number;
  /** Most elements of arrays and members of objects together; default 2,000,000. */
  readonly valuesMax?: number;
}

const limitsDefault: Required<JsonLimits> = { depthMax: 100, keysMax: 200_000, valuesMax: 2_000_000 };
/** Up to here a key is compared with the ones before it; past it a set is quicker. */
const fewKeys = 8;
/** Digits that always fit a double. */
const digitsSafe = 300;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses UTF-8 bytes; a sequence that is not UTF-8 is a problem, never a replacement character. */
export function parseStrictJsonBytes(bytes: Uint8Array, limits?: JsonLimits): ParsedJson {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return { ok: false, problem: 'the body is not valid UTF-8' };
  }
  return parseStrictJson(text, limits);
}

/**
 * `JSON.parse`, less what two readers could read differently: duplicate keys (at any level, escapes undone), a byte order
 * mark, anything after the value, numbers outside the range of a double, and more depth, keys or values than `limits`.
 * A key `__proto__` becomes an own property like any other. Linear in the length of the text; never throws.
 */
export function parseStrictJson(text: string, limits?: JsonLimits): ParsedJson {
  if (text.charCodeAt(0) === 0xfeff) return { ok: false, problem: 'the body starts with a byte order mark' };
  const scan = new Scan(text, limits === undefined ? limitsDefault : { ...limitsDefault, ...limits });
  const tooMuch = scan.run();
  if (tooMuch !== undefined) return { ok: false, problem: tooMuch };
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    return { ok: false, problem: syntaxProblem(text, error) };
  }
  return scan.problem === undefined ? { ok: true, value } : { ok: false, problem: scan.problem };
}

/** The engine's own message quotes the text, and a prompt has no business in an error or a log. */
function syntaxProblem(text: string, error: unknown): string {
  if (text.trim() === '') return 'the body is empty';
  const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? 'the body is not valid JSON' : `the body is not valid JSON at position ${position}`;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const minus = 0x2d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** One object that is open: where its keys begin on the stack, and a set once there are many. */
interface Level {
  readonly keysFrom: number;
  many: Set<string> | undefined;
}

class Scan {
  readonly #text: string;
  readonly #limits: Required<JsonLimits>;
  /** One entry a level; undefined for an array. */
  readonly #levels: (Level | undefined)[] = [];
  readonly #keys: string[] = [];
  #keysSeen = 0;
  #valuesSeen = 0;
  /** The first thing that is wrong with the text, if it is JSON. */
  problem: string | undefined;

  constructor(text: string, limits: Required<JsonLimits>) {
    this.#text = text;
    this.#limits = limits;
  }

  /** What makes the text too much to parse, if anything. */
  run(): string | undefined {
    const text = this.#text;
    const length = text.length;
    /** True where the next string of the innermost object would be a key; after a bracket that closes there is none. */
    let keyNext = false;
    let at = 0;
    while (at < length) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        const end = this.#stringEnd(at);
        const level = keyNext ? this.#levels[this.#levels.length - 1] : undefined;
        if (level !== undefined) {
          this.#keysSeen += 1;
          if (this.#keysSeen > this.#limits.keysMax) return `the body has more than ${this.#limits.keysMax} keys`;
          this.#key(level, text.slice(at + 1, end));
        }
        keyNext = false;
        at = end + 1;
        continue;
      }
      if (code === comma) {
        this.#valuesSeen += 1;
        if (this.#valuesSeen >= this.#limits.valuesMax)
          return `the body has more than ${this.#limits.valuesMax} values`;
        keyNext = this.#levels[this.#levels.length - 1] !== undefined;
      } else if (code === openBrace || code === openBracket) {
        if (this.#levels.length >= this.#limits.depthMax)
          return `the body is nested deeper than ${this.#limits.depthMax} levels`;
        keyNext = code === openBrace;
        this.#levels.push(keyNext ? { keysFrom: this.#keys.length, many: undefined } : undefined);
      } else if (code === closeBrace || code === closeBracket) {
        const level = this.#levels.pop();
        if (level !== undefined) this.#keys.length = level.keysFrom;
      } else if (code === minus || (code >= 0x30 && code <= 0x39)) {
        at = this.#numberEnd(at);
        continue;
      }
      at += 1;
    }
    return undefined;
  }

  /** Position of the closing quote; the end of the text when there is none. */
  #stringEnd(open: number): number {
    const text = this.#text;
    const first = text.indexOf('"', open + 1);
    if (first < 0) return text.length;
    if (text.charCodeAt(first - 1) !== backslash) return first;
    // Escapes near the quote: walk, because searching again for each of many escaped quotes would cost more.
    let at = open + 1;
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === quote) return at;
      if (code === backslash) at += 1;
    }
    return text.length;
  }

  #numberEnd(start: number): number {
    const text = this.#text;
    let at = start + 1;
    let exponent = false;
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if ((code | 0x20) === 0x65) exponent = true;
      else if (!((code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2b || code === minus)) break;
    }
    if ((exponent || at - start > digitsSafe) && !Number.isFinite(Number(text.slice(start, at)))) {
      this.problem ??= 'the body holds a number too large to represent';
    }
    return at;
  }

  #key(level: Level, raw: string): void {
    const key = raw.includes('\\') ? unescaped(raw) : raw;
    const keys = this.#keys;
    if (level.many === undefined && keys.length - level.keysFrom >= fewKeys) {
      level.many = new Set(keys.slice(level.keysFrom));
      keys.length = level.keysFrom;
    }
    if (level.many !== undefined) {
      if (level.many.has(key)) this.#duplicate(key);
      level.many.add(key);
      return;
    }
    for (let at = level.keysFrom; at < keys.length; at += 1) if (keys[at] === key) this.#duplicate(key);
    keys.push(key);
  }

  #duplicate(key: string): void {
    this.problem ??= `duplicate key ${JSON.stringify(key.slice(0, 64))}`;
  }
}

function unescaped(raw: string): string {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return raw;
  }
}
