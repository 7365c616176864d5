/** Stores on servers of their own, told the time by the test. */

import { type Clock, systemClock } from '@headgate/core';
import type { RedisClient } from '../../src/connection.js';
import { Link } from '../../src/link.js';
import { RedisStore, type StoreSettings } from '../../src/store.js';

let spaces = 0;

/** A prefix that no other store of this process has. */
export const space = (): string => `t${++spaces}`;

export interface TimedStore {
  readonly store: RedisStore;
  readonly link: Link;
  readonly prefix: string;
}

/** A store whose server's clock shows the calendar's time of the clock given. Resolves once it is connected. */
export async function timedStore(
  client: RedisClient,
  clock: Clock,
  options: Partial<Omit<StoreSettings, 'link' | 'clock'>> = {},
): Promise<TimedStore> {
  const { prefix = space(), leaseMs = 15_000, ...more } = options;
  // The network is as slow as it is, whatever the clock says.
  const patience = systemClock();
  const link = new Link(client, { clock, random: () => 0.5, serverTime: () => clock.wall(), patience });
  const store = new RedisStore({ link, clock, prefix, leaseMs, ...more });
  await new Promise<void>((resolve) => (link.isReady ? resolve() : link.onReady(resolve)));
  return { store, link, prefix };
}

/** A machine that stands still makes a command too late, which Redis then does not execute: it is asked again. */
export async function inTime<Answer>(ask: () => Answer | Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if ((error as { code?: string }).code !== 'HG_STORE_DOWN') throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
