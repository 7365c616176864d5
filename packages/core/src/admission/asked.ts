/** What a caller says of how much it asks for: numbers that may come from anywhere, so they are looked at first. */
import { HeadgateError } from '../kernel/errors.js';
import type { AdmitRequest } from '../model.js';

/**
 * The cap on the output, Infinity for none. Zero is one: nothing is to be written. What is below zero is none, as servers are told
 * of no end (`num_predict: -1`), and so is what is no number.
 */
export function outputCapOf({ outputTokensMax }: AdmitRequest): number {
  return typeof outputTokensMax === 'number' && outputTokensMax >= 0 ? outputTokensMax : Number.POSITIVE_INFINITY;
}

/**
 * Where no types are checked a request may be forgotten. That is told as what it is, and not as a property that cannot be read.
 * @throws HeadgateError `HG_REQUEST`
 */
export function checkAsked(request: AdmitRequest): void {
  if (typeof request !== 'object' || request === null) {
    const given = request === null ? 'null' : request === undefined ? 'missing' : `a ${typeof request}`;
    throw new HeadgateError(
      'HG_REQUEST',
      `the request is ${given}; it is a mapping such as { identity, model, input }`,
    );
  }
  checkInput(request.input);
}

/**
 * A size that cannot be one is a mistake of whoever counted. As nothing it would go around the budget, and as too much it would be
 * refused for a reason that is none.
 * @throws HeadgateError `HG_REQUEST`
 */
function checkInput(input: AdmitRequest['input']): void {
  if (typeof input !== 'object' || input === null || !('tokens' in input)) return;
  const { tokens } = input;
  if (typeof tokens === 'number' && tokens >= 0 && tokens < Number.POSITIVE_INFINITY) return;
  const given = typeof tokens === 'number' ? String(tokens) : typeof tokens;
  throw new HeadgateError('HG_REQUEST', `input.tokens is ${given}; it is a number of tokens, from 0 up`);
}
