/**
 * Nothing counts twice, and nothing is lost (I4): what the counters in Redis hold in the end is what the gateways settled,
 * what those held that were killed, and no more than what nobody could know of: decisions whose answer never came.
 */
import type { Counted, Granted, History, Settled, Violation } from '../history.js';
import { losingAnswers } from './faults.js';
import { keyOf } from './limits.js';

interface Range {
  least: number;
  most: number;
}

/** A connection to Redis that fell silent is given up for a new one, and with it the answers that were on their way, ms. */
const silentMs = 1_500;

/**
 * Decisions that no line tells of, and that may be counted: their gateway was killed with them, or the answer of Redis was lost
 * and nobody went on.
 */
function unknownOf({ visits, lives, faults }: History, identity: string): number {
  return visits.filter((visit) => {
    const { gateway, sentAt, endedAt } = visit;
    if (visit.identity !== identity || visit.ending === 'whole') return false;
    const isKilled = lives.some(
      (life) => life.gateway === gateway && life.how === 'killed' && life.to! >= sentAt && life.to! <= endedAt + 1_000,
    );
    if (isKilled) return true;
    const isUndecided = visit.reason === 'store-down' || visit.ending === 'left';
    return (
      isUndecided && losingAnswers(faults, gateway).some(({ from, to }) => from < endedAt && to + silentMs > sentAt)
    );
  }).length;
}

export function counterViolations(history: History): Violation[] {
  if (!history.profile.durable) return [];
  return history.aftermath.counted.flatMap((counted) => identityViolations(history, counted));
}

function identityViolations(history: History, { identity, requests, tokens }: Counted): Violation[] {
  const { profile, rules } = history;
  const known = sumOf(history, identity);
  const unknown = unknownOf(history, identity);
  const violations: Violation[] = [];
  const against = (what: string): void =>
    void violations.push({ promise: 'nothing counts twice and nothing is lost', what });
  const costMax = costMaxOf(rules);
  if (requests > known.requests.most + unknown) {
    against(
      `${identity}: ${requests} requests are counted, at most ${known.requests.most} were let through, ${unknown} are unknown`,
    );
  }
  if (tokens > known.tokens.most + unknown * costMax) {
    against(`${identity}: ${tokens} tokens are counted, at most ${known.tokens.most} were used`);
  }
  // Where requests go on without Redis, some are told to it that it never hears of, because the process that knows is killed.
  if (profile.onDown !== 'closed') return violations;
  if (requests < known.requests.least) {
    against(`${identity}: ${requests} requests are counted, at least ${known.requests.least} were let through`);
  }
  if (tokens < known.tokens.least) {
    against(`${identity}: ${tokens} tokens are counted, at least ${known.tokens.least} were used`);
  }
  return violations;
}

/** Before a backend has counted a prompt, up to twice as much is set aside for it. */
function costMaxOf({ prompt, answerMax }: History['rules']): number {
  return 2 * prompt + answerMax;
}

/** What the lines of the gateways amount to. Of one that was killed the last lines may not have reached Redis. */
function sumOf(
  { told, lives, rules }: History,
  identity: string,
): { readonly requests: Range; readonly tokens: Range } {
  const requests = { least: 0, most: 0 };
  const tokens = { least: 0, most: 0 };
  const killed = new Set(lives.filter(({ how }) => how === 'killed').map(({ id }) => id));
  const settled = new Map<string, Settled>();
  const cancelled = new Set<string>();
  const grants: Granted[] = [];
  for (const line of told) {
    if (line.type === 'settled') settled.set(keyOf(line), line);
    else if (line.type === 'cancelled') cancelled.add(keyOf(line));
    else if (line.type === 'admitted' && line.identity === identity) grants.push(line);
  }
  for (const grant of grants) {
    const end = settled.get(keyOf(grant));
    const isUnsure = killed.has(grant.life);
    if (cancelled.has(keyOf(grant))) {
      if (isUnsure) add(requests, tokens, [0, 1], [0, costMaxOf(rules)]);
    } else if (end === undefined) add(requests, tokens, [1, 1], [0, costMaxOf(rules)]);
    else if (isUnsure)
      add(requests, tokens, [1, 1], [Math.min(end.charged, end.reserved), Math.max(end.charged, end.reserved)]);
    else add(requests, tokens, [1, 1], [end.charged, end.charged]);
  }
  return { requests, tokens };
}

type Pair = readonly [least: number, most: number];

function add(
  requests: Range,
  tokens: Range,
  [requestsLeast, requestsMost]: Pair,
  [tokensLeast, tokensMost]: Pair,
): void {
  requests.least += requestsLeast;
  requests.most += requestsMost;
  tokens.least += tokensLeast;
  tokens.most += tokensMost;
}
