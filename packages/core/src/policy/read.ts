/** What a reader of one value gives back: the value, or what it expected in words that fit after "expected". */
export type Read<T> = { readonly value: T } | Fault;

export interface Fault {
  readonly expected: string;
  /** The right spelling that comes nearest to the one given. */
  readonly nearest?: string;
  /** Of a value made of parts, the part that is wrong. */
  readonly part?: string;
}

export function isFault(read: object): read is Fault {
  return 'expected' in read;
}

export function fault(expected: string, nearest?: string): Fault {
  return nearest === undefined ? { expected } : { expected, nearest };
}

type Compact<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same object without the keys that hold `undefined`: absent and undefined are not the same under exact optional types. */
export function compact<T extends object>(object: T): Compact<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Compact<T>;
}
