/**
 * Keys that a backend could take for another. Go's JSON reader matches field names without regard to case, Unicode folding
 * included: `MODEL` and `ſtream` (U+017F) set `model` and `stream`. A key that folds to a known field without being it is
 * refused, so that what was checked is what the backend reads.
 */
import type { JsonObject } from '@headgate/core';

/** Names as a backend spells them: lower case ASCII, so folding maps every look-alike onto the name itself. */
export type FieldNames = ReadonlySet<string>;

export function fieldNames(...names: readonly (string | FieldNames)[]): FieldNames {
  return new Set(names.flatMap((name) => (typeof name === 'string' ? [name] : [...name])));
}

/** Covers Go's simple folding and a little more: upper first, so that `ſ` becomes `S`; then lower, so that `K` (Kelvin) becomes `k`. */
function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** A key of the object that is not a known name but could be read as one, and that name. */
export function lookAlike(object: JsonObject, names: FieldNames): { key: string; name: string } | undefined {
  for (const key of Object.keys(object)) {
    if (names.has(key)) continue;
    const name = folded(key);
    if (names.has(name)) return { key, name };
  }
  return undefined;
}
