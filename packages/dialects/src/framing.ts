/** Finds where the events of a stream end, over any split into chunks. One framing for one stream. */
export interface Framing {
  /** Position in the chunk just past the end of the event that ends first at or after `from`; -1 when none does. */
  next(chunk: Uint8Array, from: number): number;
  /** Ends an event of which only a part was passed on, so that what follows is read as an event of its own. */
  readonly separator: string;
}
