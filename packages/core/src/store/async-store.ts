import { HeadgateError } from '../kernel/errors.js';

/** @param called what was asked of a store that does not answer at once */
export function asyncStore(called: string, instead: string): HeadgateError {
  const message = `${called} needs a store that answers at once; this one does not. Use await limiter.${instead}(...) in its place.`;
  return new HeadgateError('HG_STORE_ASYNC', message);
}
