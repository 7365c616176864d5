/** What the dashboard's page is sent, once a second. The page reads these types too. */
import type { BackendState, LimitState, Priority, Reason } from '@headgate/core';
import type { TimelineRow } from './timeline.js';

export interface Snapshot {
  /** Epoch ms. */
  readonly at: number;
  /** The gateway is being stopped: nobody is admitted any more. */
  readonly draining: boolean;
  /** Whether the shared store of the counters answers; true where they are in memory. */
  readonly storeUp: boolean;
  readonly now: Now;
  readonly backends: readonly BackendView[];
  /** Those of the last ten minutes, as many as fit: who was refused and who asked last before others. */
  readonly identities: readonly IdentityView[];
  /** How many more there are. */
  readonly identitiesMore: number;
  /** The last ones, the newest first. */
  readonly refusals: readonly RefusalView[];
  readonly timeline: TimelineView;
}

export interface Now {
  readonly inFlight: number;
  /** Everyone who waits, for a slot or for a turn. */
  readonly waiting: number;
  /** Those who wait for a slot. */
  readonly waitingBy: Readonly<Record<Priority, number>>;
  readonly oldestMs: number;
  /** Over the last seconds; absent until two readings were taken. */
  readonly tokensPerSecond?: { readonly input: number; readonly output: number };
  /** In the last ten minutes. */
  readonly refused: number;
  readonly requests: number;
}

export interface BackendView {
  readonly name: string;
  readonly slots: number;
  readonly used: number;
  readonly state: BackendState;
  readonly usable: boolean;
  /** In memory, the most recently used first. */
  readonly models: readonly string[];
}

export interface IdentityView {
  readonly id: string;
  readonly tier: string;
  readonly priority: Priority;
  readonly inFlight: number;
  /** In the last ten minutes, as the three that follow. */
  readonly requests: number;
  readonly tokens: number;
  readonly refused: number;
  readonly causes: readonly CauseView[];
  /** Epoch ms of its last request. */
  readonly seenAt: number;
  /** Where its limits stand, those nearly spent first; absent when that could not be found out. */
  readonly limits?: readonly BudgetView[];
}

export interface CauseView {
  readonly reason: Reason;
  /** The limit's name, where it was one. */
  readonly limit?: string;
  /** `shadow`: it would have been refused. */
  readonly mode: 'enforce' | 'shadow';
  readonly count: number;
}

export interface BudgetView extends Pick<LimitState, 'name' | 'measure' | 'remaining' | 'resetMs' | 'mode'> {
  /** The rule in words, such as `10 requests per minute, burst 3`; absent for one that the policy has no longer. */
  readonly rule?: string;
  /** Units when nothing is in use: the burst of a bucket, else the amount. */
  readonly capacity: number;
}

export interface RefusalView {
  /** Epoch ms of the last one, and of the first of those that were alike. */
  readonly at: number;
  readonly since: number;
  readonly count: number;
  /** The identity, or the address of who had none. */
  readonly who: string;
  readonly operation: string;
  readonly model: string;
  readonly reason: Reason;
  readonly limit?: string;
  readonly retryAfterMs?: number;
  readonly mode: 'enforce' | 'shadow';
}

export interface TimelineView {
  readonly stepMs: number;
  readonly steps: number;
  /** All that is known in the first snapshot of a stream, then what may have changed. Steps without anything are left out. */
  readonly rows: readonly TimelineRow[];
}
