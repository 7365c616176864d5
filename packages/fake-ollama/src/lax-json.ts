/**
 * A JSON reader with the habits of Go's `encoding/json` decoder, which differ from `JSON.parse`:
 * only the first value of the body is read and the rest ignored, objects keep all their entries in order
 * (so that a duplicate field, in whatever case, can win by coming last), invalid UTF-8 becomes U+FFFD,
 * and errors have Go's wording. It works on bytes: each character of `source` is one byte.
 */
export type LaxValue = null | boolean | string | LaxNumber | LaxValue[] | LaxObject;

export class LaxNumber {
  readonly raw: string;

  constructor(raw: string) {
    this.raw = raw;
  }
}

export class LaxObject {
  readonly entries: [key: string, value: LaxValue][] = [];
}

export class LaxSyntaxError extends Error {}

/** Go takes 10,000 levels; a recursive reader in JavaScript would overflow its stack there. */
const DEPTH_MAX = 1000;

/** The first value of `body`; undefined when there is none at all (Go's EOF). */
export function readLaxJson(body: Buffer): LaxValue | undefined {
  const reader = new Reader(body.toString('latin1'));
  reader.skipSpace();
  return reader.atEnd() ? undefined : reader.value(1);
}

/** Plain JavaScript data; of duplicate keys the last wins. */
export function plainValue(value: LaxValue): unknown {
  if (value instanceof LaxNumber) return Number(value.raw);
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof LaxObject) {
    return Object.fromEntries(value.entries.map(([key, inner]) => [key, plainValue(inner)]));
  }
  return value;
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** The longest beginning of a number, to find the byte at which a broken one goes wrong. */
const NUMBER_START = /-?(?:0|[1-9][0-9]*)?(?:(?<=[0-9])\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?/y;
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  atEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  skipSpace(): void {
    this.#take(SPACE);
  }

  value(depth: number): LaxValue {
    if (depth > DEPTH_MAX) throw new LaxSyntaxError('exceeded max depth');
    this.skipSpace();
    const first = this.#peek();
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    if (first === '"') return this.#string();
    if (first === 't') return this.#literal('true', true);
    if (first === 'f') return this.#literal('false', false);
    if (first === 'n') return this.#literal('null', null);
    if (first === '-' || (first >= '0' && first <= '9')) return this.#number();
    return this.#fail('looking for beginning of value');
  }

  #object(depth: number): LaxObject {
    const object = new LaxObject();
    this.#at++;
    this.skipSpace();
    if (this.#peek() === '}') {
      this.#at++;
      return object;
    }
    for (;;) {
      this.skipSpace();
      if (this.#peek() !== '"') this.#fail('looking for beginning of object key string');
      const key = this.#string();
      this.skipSpace();
      if (this.#peek() !== ':') this.#fail('after object key');
      this.#at++;
      object.entries.push([key, this.value(depth + 1)]);
      this.skipSpace();
      const next = this.#peek();
      if (next !== ',' && next !== '}') this.#fail('after object key:value pair');
      this.#at++;
      if (next === '}') return object;
    }
  }

  #array(depth: number): LaxValue[] {
    const items: LaxValue[] = [];
    this.#at++;
    this.skipSpace();
    if (this.#peek() === ']') {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.value(depth + 1));
      this.skipSpace();
      const next = this.#peek();
      if (next !== ',' && next !== ']') this.#fail('after array element');
      this.#at++;
      if (next === ']') return items;
    }
  }

  #string(): string {
    this.#at++;
    let text = '';
    for (;;) {
      text += this.#plainRun();
      const next = this.#peek();
      if (next === '"') {
        this.#at++;
        return text;
      }
      if (next !== '\\') this.#fail('in string literal');
      this.#at++;
      text += this.#escape();
    }
  }

  /** Up to the next quote, backslash or control character. */
  #plainRun(): string {
    const begin = this.#at;
    for (
      let code = this.#codeAt(begin);
      code >= 0x20 && code !== 0x22 && code !== 0x5c;
      code = this.#codeAt(this.#at)
    ) {
      this.#at++;
    }
    return fromUtf8(this.#source.slice(begin, this.#at));
  }

  /** NaN at the end, which no comparison holds for. */
  #codeAt(at: number): number {
    return this.#source.charCodeAt(at);
  }

  #escape(): string {
    const kind = this.#peek();
    const simple = ESCAPES[kind];
    if (simple !== undefined) {
      this.#at++;
      return simple;
    }
    if (kind !== 'u') this.#fail('in string escape code');
    this.#at++;
    const high = this.#hexUnit();
    if (high < 0xd800 || high > 0xdfff) return String.fromCharCode(high);
    // A surrogate without its partner becomes U+FFFD, and what follows is read on its own.
    if (high < 0xdc00 && /^\\u[dD][c-fC-F][0-9a-fA-F]{2}/.test(this.#source.slice(this.#at, this.#at + 6))) {
      this.#at += 2;
      return String.fromCharCode(high, this.#hexUnit());
    }
    return '\ufffd';
  }

  #hexUnit(): number {
    for (let digit = 0; digit < 4; digit++) {
      if (!/[0-9a-fA-F]/.test(this.#peek())) this.#fail('in \\u hexadecimal character escape');
      this.#at++;
    }
    return Number.parseInt(this.#source.slice(this.#at - 4, this.#at), 16);
  }

  #literal<T>(word: string, value: T): T {
    for (let index = 1; index < word.length; index++) {
      this.#at++;
      if (this.#peek() !== word[index]) this.#fail(`in literal ${word} (expecting '${word[index]}')`);
    }
    this.#at++;
    return value;
  }

  #number(): LaxNumber {
    const begin = this.#at;
    const raw = this.#take(NUMBER);
    const longest = this.#matchAt(NUMBER_START, begin);
    if (raw.length >= longest.length && raw !== '') return new LaxNumber(raw);
    this.#at = begin + longest.length;
    const last = longest.at(-1) ?? '';
    if (last === '.') this.#fail('after decimal point in numeric literal');
    if (/[eE+]/.test(last) || /[eE]-$/.test(longest)) this.#fail('in exponent of numeric literal');
    return this.#fail('in numeric literal');
  }

  #take(pattern: RegExp): string {
    const text = this.#matchAt(pattern, this.#at);
    this.#at += text.length;
    return text;
  }

  #matchAt(pattern: RegExp, at: number): string {
    pattern.lastIndex = at;
    return pattern.exec(this.#source)?.[0] ?? '';
  }

  #peek(): string {
    const next = this.#source[this.#at];
    if (next === undefined) throw new LaxSyntaxError('unexpected EOF');
    return next;
  }

  #fail(context: string): never {
    throw new LaxSyntaxError(`invalid character ${quoted(this.#peek())} ${context}`);
  }
}

function fromUtf8(bytes: string): string {
  for (let index = 0; index < bytes.length; index++) {
    if (bytes.charCodeAt(index) > 0x7f) return Buffer.from(bytes, 'latin1').toString('utf8');
  }
  return bytes;
}

/** Go quotes the byte as if it were a character, so the first byte of a BOM shows as 'ï'. */
function quoted(byte: string): string {
  if (byte === "'") return "'\\''";
  if (byte === '"') return `'"'`;
  const known: Record<string, string> = {
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\b': '\\b',
    '\f': '\\f',
    '\\': '\\\\',
  };
  const code = byte.charCodeAt(0);
  if (known[byte] !== undefined) return `'${known[byte]}'`;
  if (code < 0x20 || code === 0x7f) return `'\\x${code.toString(16).padStart(2, '0')}'`;
  return code >= 0x80 && code <= 0xa0 ? `'\\u00${code.toString(16)}'` : `'${byte}'`;
}
