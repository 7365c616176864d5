import { LaxNumber, LaxObject, LaxSyntaxError, type LaxValue, plainValue, readLaxJson } from './lax-json.js';

/**
 * Types a field of a request may have, in Go's terms. `any` takes everything; `map` merges duplicates key by key;
 * an object literal is a nested struct; an array of one is a list.
 */
export type FieldType = 'string' | 'bool' | 'int' | 'float' | 'any' | 'map' | Fields | readonly [FieldType];
export interface Fields {
  readonly [name: string]: FieldType;
}

export class BadBody extends Error {}

type Bound<T extends FieldType> = T extends 'string'
  ? string
  : T extends 'bool'
    ? boolean
    : T extends 'int' | 'float'
      ? number
      : T extends 'map'
        ? Record<string, unknown>
        : T extends readonly [infer Inner extends FieldType]
          ? Bound<Inner>[]
          : T extends Fields
            ? BoundFields<T>
            : unknown;
export type BoundFields<T extends Fields> = { [Name in keyof T]?: Bound<T[Name]> };

/**
 * What Ollama makes of a body: fields matched without regard to case, the last one wins, unknown ones dropped,
 * `null` same as absent. Throws BadBody with Go's text; `eof` is the text for an empty body, which differs by endpoint.
 */
export function bindBody<T extends Fields>(body: Buffer, struct: string, fields: T, eof: string): BoundFields<T> {
  let value: LaxValue | undefined;
  try {
    value = readLaxJson(body);
  } catch (error) {
    throw error instanceof LaxSyntaxError ? new BadBody(error.message) : error;
  }
  if (value === undefined) throw new BadBody(eof);
  const errors: string[] = [];
  const bound = bindStruct(value, fields, { struct, path: '', type: '' }, errors);
  // Go goes on after a type error and reports the first one.
  if (errors[0] !== undefined) throw new BadBody(errors[0]);
  return (bound ?? {}) as BoundFields<T>;
}

interface Place {
  struct: string;
  path: string;
  type: string;
}

function bindStruct(
  value: LaxValue,
  fields: Fields,
  place: Place,
  errors: string[],
  into: Record<string, unknown> = {},
): Record<string, unknown> | undefined {
  if (value === null) return undefined;
  if (!(value instanceof LaxObject)) return mismatch(value, place, errors);
  const folded = foldedNames(fields);
  for (const [key, inner] of value.entries) {
    const name = Object.hasOwn(fields, key) ? key : folded.get(foldName(key));
    if (name === undefined) continue;
    const path = place.path === '' ? name : `${place.path}.${name}`;
    const bound = bindValue(
      inner,
      fields[name] as FieldType,
      { struct: place.struct, path, type: '' },
      errors,
      into[name],
    );
    if (bound !== undefined) into[name] = bound;
    else if (inner === null) delete into[name];
  }
  return into;
}

function bindValue(value: LaxValue, type: FieldType, place: Place, errors: string[], earlier: unknown): unknown {
  if (type === 'any') return plainValue(value) ?? undefined;
  if (value === null) return undefined;
  if (isList(type)) {
    if (!Array.isArray(value)) return mismatch(value, { ...place, type: goType(type) }, errors);
    return value.map((item) => bindValue(item, type[0], place, errors, undefined) ?? zero(type[0]));
  }
  if (typeof type === 'object') {
    const into = typeof earlier === 'object' && earlier !== null ? (earlier as Record<string, unknown>) : {};
    return bindStruct(value, type, { ...place, type: 'struct' }, errors, into);
  }
  const wrong = (): undefined => mismatch(value, { ...place, type: goType(type) }, errors);
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : wrong();
    case 'bool':
      return typeof value === 'boolean' ? value : wrong();
    case 'float':
      return value instanceof LaxNumber ? Number(value.raw) : wrong();
    case 'int':
      return value instanceof LaxNumber && /^-?[0-9]+$/.test(value.raw) ? Number(value.raw) : wrong();
    case 'map':
      if (!(value instanceof LaxObject)) return wrong();
      return { ...(earlier as object | undefined), ...(plainValue(value) as object) };
  }
}

function isList(type: FieldType): type is readonly [FieldType] {
  return Array.isArray(type);
}

function zero(type: FieldType): unknown {
  if (type === 'string') return '';
  if (type === 'bool') return false;
  if (type === 'int' || type === 'float') return 0;
  return typeof type === 'object' && !isList(type) ? {} : null;
}

function mismatch(value: LaxValue, place: Place, errors: string[]): undefined {
  const where =
    place.path === '' ? `value of type ${place.struct}` : `struct field ${place.struct}.${place.path} of type`;
  errors.push(`json: cannot unmarshal ${jsonKind(value, place.type)} into Go ${where} ${place.type}`.trimEnd());
  return undefined;
}

function jsonKind(value: LaxValue, type: string): string {
  if (value instanceof LaxNumber) return type === 'int' ? `number ${value.raw}` : 'number';
  if (Array.isArray(value)) return 'array';
  if (value instanceof LaxObject) return 'object';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

function goType(type: FieldType): string {
  if (isList(type)) return `[]${goType(type[0])}`;
  if (typeof type === 'object') return 'struct';
  if (type === 'float') return 'float64';
  return type === 'map' ? 'map[string]interface {}' : type;
}

const foldedNamesOf = new WeakMap<Fields, Map<string, string>>();

function foldedNames(fields: Fields): Map<string, string> {
  let names = foldedNamesOf.get(fields);
  if (names === undefined) {
    names = new Map(Object.keys(fields).map((name) => [foldName(name), name]));
    foldedNamesOf.set(fields, names);
  }
  return names;
}

/** Go's simple case folding, one character for one: long s folds to s and the kelvin sign to k, but sharp s not to ss. */
export function foldName(name: string): string {
  let folded = '';
  for (const character of name) {
    const upper = character.toUpperCase();
    const lower = (upper.length === character.length ? upper : character).toLowerCase();
    folded += lower.length === character.length ? lower : character;
  }
  return folded;
}
