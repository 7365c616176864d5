/** Histories that never were: one in which everything is in order, to be changed in one place. */
import type { Granted, History, Line, Served, Visit } from '../../../history.js';
import { rules } from '../../../rules.js';

const life = 'g1#1';
const beganAt = 1_000_000;

/** One request from its client to its counters. */
export interface Request {
  readonly identity?: string;
  readonly at?: number;
  readonly lastsMs?: number;
  readonly tokens?: number;
  readonly backend?: string;
  readonly gateway?: string;
}

/** Requests one second apart by default, each of which is answered whole. */
export function historyOf(requests: readonly Request[], changes: Partial<History> = {}): History {
  const whole = requests.map((request, index) => recordOf(request, index));
  const counted = new Map<string, { requests: number; tokens: number }>();
  for (const { visit, tokens } of whole) {
    const before = counted.get(visit.identity) ?? { requests: 0, tokens: 0 };
    counted.set(visit.identity, { requests: before.requests + 1, tokens: before.tokens + tokens });
  }
  return {
    profile: { onDown: 'closed', durable: true },
    rules,
    lives: ['g1', 'g2', 'g3'].map((gateway) => ({ gateway, id: `${gateway}#1`, from: beganAt - 1_000 })),
    told: [sample(beganAt - 500), ...whole.flatMap(({ told }) => told), sample(beganAt + 1e6)],
    visits: whole.map(({ visit }) => visit),
    served: whole.map(({ served }) => served),
    faults: [],
    calm: { from: beganAt, to: beganAt + 1e6 },
    aftermath: {
      counted: [...counted].map(([identity, sums]) => ({ identity, ...sums })),
      ranAtOnce: rules.house,
      keysWithoutExpiry: [],
    },
    ...changes,
  };
}

export const sample = (at: number): Extract<Line, { type: 'sample' }> => ({
  ...{ type: 'sample', life, at, inFlight: 0, waiting: 0, open: 0, heapBytes: 2e7, timers: 8 },
});

function recordOf(
  { identity = 'plain', at = 0, lastsMs = 100, tokens = 10, backend = 'b1', gateway = 'g1' }: Request,
  index: number,
): { readonly told: readonly Line[]; readonly visit: Visit; readonly served: Served; readonly tokens: number } {
  const from = beganAt + (at || index * 1_000);
  const to = from + lastsMs;
  const [permit, requestId] = [`p${index}`, `req_${index}`];
  const charged = rules.prompt + tokens;
  const told: Line[] = [
    { type: 'admitted', life, permit, identity, decidedAt: from, at: from } satisfies Granted,
    { type: 'settled', life, permit, at: to, reserved: charged, charged },
    { type: 'released', life, permit, at: to },
  ];
  const visit: Visit = {
    ...{
      identity,
      gateway,
      requestId,
      sentAt: from,
      endedAt: to,
      status: 200,
      reason: undefined,
      ending: 'whole',
      tokens,
    },
  };
  return {
    told,
    visit,
    served: { backend, gateway, requestId, from, to, outcome: 'completed', tokens },
    tokens: charged,
  };
}

/** So many requests of one identity, so far apart. */
export function times(count: number, apartMs: number, request: Request = {}): Request[] {
  return Array.from({ length: count }, (_, index) => ({ ...request, at: (request.at ?? 1) + index * apartMs }));
}
