/** Who makes a request that comes from inside of the gateway, and what is told of it. */
import type { Identity, Passage } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';

export interface Caller {
  readonly identity: Identity;
  readonly remoteAddress: string;
  /** The request was let through. */
  readonly onPassage: (passage: Passage) => void;
  /** Called once, when all of it is over. */
  readonly onDone: (record: RequestRecord) => void;
}
