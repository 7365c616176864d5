/** From a seed to what will go wrong and when: the same seed makes the same plan on every machine. */
import { seeded } from '../packages/gateway/test/support/seeded.js';
import type { Profile } from './history.js';
import { backendNames, rules } from './rules.js';

export const gatewayFaults = [
  'kill',
  'stop',
  'stall',
  'reload',
  'redis-slow',
  'redis-cut',
  'redis-hole',
  'reply-lost',
] as const;
export const redisFaults = ['redis-kill', 'redis-pause', 'redis-cut', 'redis-slow', 'script-flush'] as const;
export const backendFaults = ['503', 'reset', 'dies', 'stalls', 'hangs', 'short', 'slow', 'crash'] as const;
export type FaultKind =
  | (typeof gatewayFaults)[number]
  | (typeof redisFaults)[number]
  | (typeof backendFaults)[number]
  | 'abort-storm';

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly target: string;
  /** After the round has begun. */
  readonly atMs: number;
  readonly forMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly profile: Profile;
  readonly faults: readonly PlannedFault[];
  /** How long faults are made. */
  readonly faultsMs: number;
  /** How long it is calm afterwards. */
  readonly calmMs: number;
}

/** Most often as strict as can be, so that the narrowest bounds are checked most. */
const profiles: readonly Profile[] = [
  { onDown: 'closed', durable: true },
  { onDown: 'closed', durable: true },
  { onDown: 'local-share', durable: true },
  { onDown: 'closed', durable: false },
  { onDown: 'local-share', durable: false },
  { onDown: 'open', durable: true },
];
/** The one that is never killed, so that there is one whose memory can be compared. */
const survivor = `g${rules.gateways}`;
/** One fault in so many lasts longer than a lease. */
const longEvery = 25;

export interface PlanOptions {
  readonly faultsMs: number;
  readonly calmMs: number;
}

export function planOf(seed: number, { faultsMs, calmMs }: PlanOptions): Plan {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const profile = pick(profiles);
  const faults: PlannedFault[] = [];
  // Each round begins without faults, so that what follows is seen to come from them.
  for (let atMs = 1_000; atMs < faultsMs; atMs += 150 + random() * 900) {
    const target = pick(['gateway', 'gateway', 'redis', 'backend', 'backend', 'clients']);
    const forMs = 100 + random() ** 2 * 2_500;
    const isLong = random() < 1 / longEvery && faultsMs > 2 * rules.leaseMs;
    const lasts = isLong ? rules.leaseMs * 1.2 : forMs;
    if (target === 'gateway') faults.push(gatewayFault(random, pick, atMs, lasts));
    else if (target === 'redis') faults.push({ kind: pick(redisFaults), target: 'redis', atMs, forMs });
    else if (target === 'backend') faults.push({ kind: pick(backendFaults), target: pick(backendNames), atMs, forMs });
    else faults.push({ kind: 'abort-storm', target: 'clients', atMs, forMs: 0 });
  }
  return { seed, profile, faults, faultsMs, calmMs };
}

function gatewayFault(
  random: () => number,
  pick: <T>(from: readonly T[]) => T,
  atMs: number,
  forMs: number,
): PlannedFault {
  const target = `g${1 + Math.floor(random() * rules.gateways)}`;
  const kind = pick(gatewayFaults);
  const isDeadly = kind === 'kill' || kind === 'stop';
  return { kind: isDeadly && target === survivor ? 'reload' : kind, target, atMs, forMs };
}
