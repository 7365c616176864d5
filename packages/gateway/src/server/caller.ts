/** Who makes a request that comes from inside of the gateway, and what is told of it. */
import type { Identity, Passage, Policy } from '@headgate/core';
import type { RequestRecord } from '../exchange/record.js';

export interface Caller {
  readonly identity: Identity;
  readonly remoteAddress: string;
  /** The request was let through. */
  readonly onPassage: (passage: Passage) => void;
  /** Called once, when all of it is over. */
  readonly onDone: (record: RequestRecord) => void;
}

/** A job may have waited longer than its tier was there, also past a restart: then it counts as what its name is now. */
export function whoAsks({ identity }: Caller, { tiers }: Policy): Partial<Identity> {
  if (Object.hasOwn(tiers, identity.tier)) return identity;
  const { tier: _, ...rest } = identity;
  return rest;
}
