/** Newline-delimited JSON. A newline inside a JSON string is escaped, so every newline ends an object. */
import type { Framing } from './framing.js';

const newline = 0x0a;

export const ndjsonFraming: Framing = {
  next: (chunk, from) => chunk.indexOf(newline, from) + 1 || -1,
  separator: '\n',
};
