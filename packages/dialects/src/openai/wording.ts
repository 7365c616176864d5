import { type Expected, typeOf, type Wording } from '../fields.js';

const expectedWords: Readonly<Record<Expected, string>> = {
  string: 'a string',
  boolean: 'a boolean',
  integer: 'an integer',
  array: 'an array',
  object: 'an object',
  'string or array': 'a string or an array',
  'string or number': 'a string or a number',
};

const foundWords = {
  null: 'null',
  array: 'an array',
  object: 'an object',
  string: 'a string',
  number: 'a number',
  boolean: 'a boolean',
} as const;

export const openaiWording: Wording = (path, expected, found) =>
  `Invalid type for '${path}': expected ${expectedWords[expected]}, but got ${foundWords[typeOf(found)]} instead.`;
