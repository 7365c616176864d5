/** Paths and keys as the file spells them, and the right key nearest to a wrong one. */
export type Path = readonly (string | number)[];

/** `tiers.free.requests`, `limits[2].match.operation`, `prices["llama3.1:70b"].input`; the top of the file is `(top)`. */
export function pathText(path: Path): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(segment)) text += text === '' ? segment : `.${segment}`;
    else text += `[${JSON.stringify(segment)}]`;
  }
  return text === '' ? '(top)' : text;
}

/** Letters to insert, delete, replace or swap with their neighbour to make one word of the other (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** Case, `-` and `_` are no mistakes. */
export const plain = (word: string): string => word.toLowerCase().replace(/[-_\s]/g, '');
/** Past this many letters a word is no misspelling of anything; also keeps the distance cheap. */
export const wordLengthMax = 64;

/** The candidate a person most likely meant, if any comes near enough. Case, `-` and `_` do not count as mistakes. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > wordLengthMax) return undefined;
  const given = plain(word);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const wanted = plain(candidate);
    const distance = editDistance(given, wanted);
    const longer = Math.max(given.length, wanted.length);
    const tolerated = longer <= 3 ? 1 : longer <= 7 ? 2 : 3;
    if (distance > tolerated || distance >= longer) continue;
    // Of two that are as near, a letter that was left out is likelier than one too many: `model` is `models`, not `mode`.
    const completes = distance === bestDistance && wanted.startsWith(given) && !plain(best!).startsWith(given);
    if (distance < bestDistance || completes) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `a`, `b` or `c`. */
export function oneOf(words: readonly (string | number)[]): string {
  const quoted = words.map((word) => `\`${word}\``);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}
