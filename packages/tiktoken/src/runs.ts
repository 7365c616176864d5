/**
 * How long a piece of text the tokenizer may have to merge at once. It first splits a text by a pattern and then merges each
 * piece in time that grows with the square of its length, so that the longest piece decides, not the text. The patterns of
 * the encodings differ; what is found here are places at which every one of them splits, give or take a few characters (one
 * in front, a contraction behind). Where it is not certain that they split, the run goes on.
 *
 * Characters are told apart only in blocks that have been whole for years: elsewhere the tokenizer's tables of Unicode may be
 * older or younger than those of the runtime, and a letter here be none there.
 */
const letter = 0;
const number = 1;
/** Neither letter, number nor space: punctuation, controls. */
const symbol = 2;
/** A symbol, but one that also follows newlines within a piece. */
const slash = 3;
const space = 4;
const newline = 5;
/** Letter, number, symbol or mark, but no space. */
const solid = 6;
/** Anything. */
const any = 7;
const kinds = 8;

/** Ranges in which letters, numbers and symbols are known, and no marks, which are letters to some patterns. */
const known: readonly (readonly [first: number, last: number])[] = [
  // Latin, Greek, Cyrillic.
  ...rows([0x0000, 0x024f], [0x0391, 0x03a9], [0x03b1, 0x03c9], [0x0400, 0x0481], [0x048a, 0x0527], [0x1e00, 0x1eff]),
  // Hebrew, Arabic.
  ...rows([0x05d0, 0x05ea], [0x060c, 0x060f], [0x061f, 0x064a], [0x0660, 0x066f]),
  // Punctuation, currencies, arrows, signs, boxes.
  ...rows([0x2010, 0x205e], [0x20a0, 0x20b5], [0x2190, 0x23e7], [0x2500, 0x269c]),
  // Chinese, Japanese, Korean.
  ...rows([0x3001, 0x3029], [0x3041, 0x3096], [0x309d, 0x30ff], [0x3400, 0x4db5], [0x4e00, 0x9fc3], [0xac00, 0xd7a3]),
  ...rows([0xff01, 0xffbe]),
];

function rows(...ranges: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  return ranges;
}

/** Space by some tables and not by others. */
const disputed: readonly number[] = [0x85, 0x180e, 0xfeff];

function kindOf(code: number): number {
  if (disputed.includes(code)) return any;
  const char = String.fromCharCode(code);
  if (char === '\n' || char === '\r') return newline;
  if (/\s/.test(char)) return space;
  if (char === '/') return slash;
  if (!known.some(([first, last]) => code >= first && code <= last)) return solid;
  if (/\p{L}/u.test(char)) return letter;
  if (/\p{N}/u.test(char)) return number;
  return symbol;
}

/** Whether every pattern splits between the two. */
function splitsBetween(before: number, after: number): boolean {
  if (before === any || after === any) return false;
  // Symbols take the newlines behind them along, and one pattern the slashes behind those.
  if (before === newline && after === slash) return false;
  if (before === space || before === newline) return after !== space && after !== newline;
  if (after === space) return true;
  if (after === newline) return before === letter || before === number;
  if (before === solid || after === solid) return false;
  const isSymbol = (kind: number): boolean => kind === symbol || kind === slash;
  return isSymbol(before) ? !isSymbol(after) : before !== after;
}

interface Tables {
  readonly kinds: Uint8Array;
  readonly splits: Uint8Array;
}

function makeTables(): Tables {
  const splits = new Uint8Array(kinds * kinds);
  for (let at = 0; at < splits.length; at++) splits[at] = Number(splitsBetween(Math.floor(at / kinds), at % kinds));
  return { kinds: Uint8Array.from({ length: 65_536 }, (_, code) => kindOf(code)), splits };
}

/** Made when the first text is measured. */
let tables: Tables | undefined;

/** The longest run without a certain boundary, in UTF-16 code units. Linear in the text. */
export function longestRun(text: string): number {
  tables ??= makeTables();
  const { kinds: kindsOf, splits } = tables;
  let longest = 0;
  let start = 0;
  let before = any;
  for (let at = 0; at < text.length; at++) {
    const kind = kindsOf[text.charCodeAt(at)]!;
    if (splits[before * kinds + kind] === 1) {
      longest = Math.max(longest, at - start);
      start = at;
    }
    before = kind;
  }
  return Math.max(longest, text.length - start);
}

/** Bytes of the text in UTF-8. */
export function byteLength(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(at + 1))) {
      bytes += 4;
      at++;
    } else bytes += 3;
  }
  return bytes;
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff;
const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff;
