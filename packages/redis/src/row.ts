/** Reads a row as Redis keeps it, whichever limits it was written under. The format is described in lua/shared/row.lua. */
import { HeadgateError } from '@headgate/core';
import {
  BucketColumn,
  CalendarColumn,
  type Cells,
  type Column,
  RollingColumn,
  type RollingWindow,
  subBucketAt,
} from '@headgate/core/store';

/** Doubles of a column among the numbers of a row, by the first letter of its name. */
export const widths = { b: 8, r: 6, c: 4, s: 1 } as const;
export type Kind = keyof typeof widths;

/** How far ahead of the clock a counter's instant may lie before the clock is taken to have been set back; as in lua/shared/row.lua. */
const skewMs = 5_000;
const bar = '|'.charCodeAt(0);

/** What a reader wants of a row: columns, what the row calls them, and how much room their state takes. */
export interface RowShape {
  readonly columns: readonly Column[];
  readonly names: readonly string[];
  /** All that stands before the numbers in a row that was written under the same limits. */
  readonly head: Buffer;
  readonly doubles: number;
  readonly rolling: number;
}

interface Holders {
  readonly count: number;
  readonly at: number;
  /** Bytes of a holder, and where in it the slots of the column are. */
  readonly bytes: number;
  readonly held: number;
}

/** Where a column is in a row: its numbers, and its entries or holders where it has some. */
interface Place {
  readonly numbers: number;
  entries?: number;
  holders?: Holders;
}

/**
 * Rows as a script answered them, one behind the other. A whole row is as it stands in Redis; a bare one is its numbers and holders,
 * and was charged with room to spare: see lua/shared/row.lua.
 */
export interface Rows {
  readonly text: Buffer;
  /** Of each row in turn: 0 where there is none, negative where it is bare. */
  readonly lengths: readonly number[];
}

/** As many as there are rows, from `at` of an answer on. */
export function lengthsIn(answer: Buffer, at: number, count: number): number[] {
  return doublesAt(answer, at, count);
}

/** The counters of a row, for the arithmetic. What the row has not is fresh. */
export function readRow(raw: Buffer, isBare: boolean, shape: RowShape, now: number): Cells {
  const doubles = new Float64Array(shape.doubles);
  const windows: (RollingWindow | undefined)[] = new Array(shape.rolling).fill(undefined);
  const places = isBare ? new Map<string, Place>() : placesIn(raw, shape.names, now);
  if (isBare) placeOwn(raw, shape.names, 0, isBare, places);
  let window = 0;
  for (const [i, column] of shape.columns.entries()) {
    const place = places.get(shape.names[i]!);
    if (column instanceof RollingColumn) windows[window++] = place && windowAt(raw, place, now);
    else if (column instanceof BucketColumn) doubles.set(bucketAt(raw, place, column, now), column.at);
    else if (place !== undefined && column instanceof CalendarColumn) {
      doubles[column.at] = raw.readDoubleLE(place.numbers + 8);
      doubles[column.at + 1] = raw.readDoubleLE(place.numbers + 24);
    } else if (place !== undefined) doubles[column.at] = heldAt(raw, place.holders!, now);
  }
  return { doubles, offset: 0, windows };
}

/** As lua/shared/row.lua has it. */
type Bucket = [
  kept: number,
  rate: number,
  level: number,
  at: number,
  refunded: number,
  _: number,
  lent: number,
  before: number,
];

function bucketAt(raw: Buffer, place: Place | undefined, { capacity }: BucketColumn, now: number): number[] {
  if (place === undefined) return [capacity, now, 0];
  const [kept, rate, level, at, refunded, , lent, before] = doublesAt(raw, place.numbers, 8) as Bucket;
  const out = lent + before;
  // The limit's amount may be another now: what was used stays used.
  const more = capacity - kept - out;
  if (at - now > skewMs) return [level + more, now, refunded + more];
  if (out === 0 || now <= at) return [level + more, at, refunded + more];
  // What is lent does not come back by time.
  return [Math.min(level + (now - at) * rate, kept) + more, now, refunded + more];
}

function windowAt(raw: Buffer, { numbers, entries }: Place, now: number): RollingWindow {
  const [periodMs, total, count, newest, units] = doublesAt(raw, numbers + 8, 5) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const index = subBucketAt(now, periodMs);
  if (newest > subBucketAt(now + skewMs, periodMs)) return { total, counts: [index, total] };
  const counts = entries === undefined ? [] : doublesAt(raw, entries, 2 * count);
  if (newest + units > 0) counts.push(newest, units);
  return { total, counts };
}

function heldAt(raw: Buffer, { count, at, bytes, held }: Holders, now: number): number {
  let total = 0;
  for (let holder = at; holder < at + count * bytes; holder += bytes) {
    if (raw.readDoubleLE(holder + 16) > now) total += raw.readDoubleLE(holder + held);
  }
  return total;
}

function doublesAt(raw: Buffer, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => raw.readDoubleLE(at + 8 * i));
}

/** Where each column is, those that are kept for other processes included. */
function placesIn(raw: Buffer, expected: readonly string[], now: number): Map<string, Place> {
  const stop = raw.indexOf(';', 10);
  const head = raw.toString('latin1', 0, stop);
  if (!head.startsWith('h3')) {
    throw new HeadgateError('HG_STORE_DATA', 'a value in Redis was not written by this version of @headgate/redis');
  }
  const [own, kept] = head.slice(10).split('|');
  const places = new Map<string, Place>();
  const names = own === expected.join('') ? expected : split(own!);
  const end = placeOwn(raw, names, stop + (kept === undefined ? 1 : 9), false, places);
  if (kept !== undefined && raw.readDoubleLE(stop + 1) > now) placeKept(raw, split(kept), end, places);
  return places;
}

/** @returns where what is kept of other policies begins */
function placeOwn(
  raw: Buffer,
  names: readonly string[],
  start: number,
  isBare: boolean,
  places: Map<string, Place>,
): number {
  let at = start + 8;
  for (const name of names) {
    places.set(name, { numbers: at });
    at += 8 * widths[name[0] as Kind];
  }
  const slots = names.filter((name) => name[0] === 's');
  const count = slots.length === 0 ? 0 : raw.readDoubleLE(at);
  if (slots.length > 0) at += 8;
  const bytes = 24 + 8 * slots.length;
  for (const [i, name] of slots.entries()) places.get(name)!.holders = { count, at, bytes, held: 24 + 8 * i };
  at += count * bytes;
  for (const name of names) {
    if (name[0] !== 'r' || isBare) continue;
    const place = places.get(name)!;
    place.entries = at;
    at += 16 * raw.readDoubleLE(place.numbers + 24);
  }
  return at;
}

function placeKept(raw: Buffer, names: readonly string[], start: number, places: Map<string, Place>): void {
  let at = start;
  for (const name of names) {
    const place: Place = { numbers: at };
    places.set(name, place);
    at += 8 * widths[name[0] as Kind];
    if (name[0] === 'r') {
      place.entries = at;
      at += 16 * raw.readDoubleLE(place.numbers + 24);
    } else if (name[0] === 's') {
      const count = raw.readDoubleLE(at);
      place.holders = { count, at: at + 8, bytes: 32, held: 24 };
      at += 8 + 32 * count;
    }
  }
}

function split(names: string): string[] {
  return Array.from({ length: names.length / 8 }, (_, i) => names.slice(8 * i, 8 * i + 8));
}

/** What a receipt needs to know of a row that was just charged. */
export interface RowCharge {
  readonly birth: number;
  /** Birth of the node's hold on its slots; 0 when it has none. */
  readonly lease: number;
}

/**
 * Reads a row as it was just written.
 * @param from where in the text it begins
 * @param by who charged, and at which instant
 * @param windows written from `at` on: the window charged of each column, NaN where the flag says that none was
 */
export function readCharge(
  raw: Buffer,
  from: number,
  isBare: boolean,
  shape: RowShape,
  by: { readonly node: number; readonly now: number },
  flags: string,
  windows: Float64Array,
  at: number,
): RowCharge {
  const { names } = shape;
  const start = isBare ? from : startOf(raw, from + shape.head.length);
  let numbers = start + 8;
  for (let i = 0; i < names.length; i++) {
    const kind = names[i]![0] as Kind;
    windows[at + i] = flags[at + i] === '0' ? Number.NaN : windowCharged(raw, kind, numbers, by.now);
    numbers += 8 * widths[kind];
  }
  const slots = names.length === 0 || names[names.length - 1]![0] !== 's' ? 0 : names.filter(isSlots).length;
  const lease = slots === 0 ? 0 : holdOf(raw, numbers, 24 + 8 * slots, by.node);
  return { birth: raw.readDoubleLE(start), lease };
}

/** Behind the names either the numbers begin, or what is kept for others is named first. */
function startOf(raw: Buffer, at: number): number {
  return raw[at - 1] === bar ? raw.indexOf(';', at) + 9 : at;
}

const isSlots = (name: string): boolean => name[0] === 's';

function windowCharged(raw: Buffer, kind: Kind, numbers: number, now: number): number {
  if (kind === 'b') return raw.readDoubleLE(numbers + 16) - raw.readDoubleLE(numbers + 32);
  // A charge of nothing makes no entry, and still belongs to now.
  if (kind === 'r') return Math.max(raw.readDoubleLE(numbers + 32), subBucketAt(now, raw.readDoubleLE(numbers + 8)));
  return kind === 'c' ? raw.readDoubleLE(numbers + 8) : 0;
}

/** @param counted where it says how many holders there are; they are right behind it */
function holdOf(raw: Buffer, counted: number, bytes: number, node: number): number {
  for (let i = raw.readDoubleLE(counted); i > 0; i--) {
    const holder = counted + 8 + (i - 1) * bytes;
    if (raw.readDoubleLE(holder) === node) return raw.readDoubleLE(holder + 8);
  }
  return 0;
}
