/** What a handler finds on a request that was let through, the same in every framework. */
import type { Passage } from './passage.js';

/** Settle nothing yourself unless you know better than the answer tells. */
export type Headgate = Pick<Passage, 'permit' | 'about'> & {
  /** The checked body as it should go to a backend, output cap written in; undefined on paths without one. */
  readonly body?: string;
  readonly reading?: NonNullable<Passage['reading']>;
};

export function headgateOf({ permit, about, body, reading }: Passage): Headgate {
  return { permit, about, ...(body === undefined ? {} : { body }), ...(reading === undefined ? {} : { reading }) };
}

/** What to tell the client of its limits, and which backend serves it. */
export function headersOf({ headers, permit }: Passage): Readonly<Record<string, string>> {
  return permit.backend === undefined ? headers : { ...headers, 'x-headgate-backend': permit.backend.name };
}
