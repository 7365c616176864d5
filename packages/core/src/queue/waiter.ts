import type { Identity } from '../model.js';

export type EvictionReason = 'queue-timeout' | 'queue-full' | 'draining';

export interface Waiter {
  /** Waiters with the same line need the same slots. */
  readonly line: string;
  /** Who waits; all are the same unless said. */
  readonly identity?: Identity;
  /**
   * Takes everything the waiter needs, or nothing. True: it has been let through and must not be asked again. `later`: it
   * could go and waits for something better, which says nothing about those behind it.
   */
  grant(): boolean | 'later';
  evict(reason: EvictionReason): void;
}
