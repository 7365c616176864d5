/** A replay's result, for people and for programs. */
import { describeLimit, type Limit } from '@headgate/core';
import type { LimitResult } from './limit-result.js';
import type { Replay } from './replay.js';

const barCharacters = ' ▁▂▃▄▅▆▇█';
const bars = 48;
const shownIdentities = 3;

export interface ReplayJson {
  readonly requests: number;
  readonly refused: number;
  readonly limits: readonly {
    readonly name: string;
    readonly refused: number;
    /** Identities that were refused. */
    readonly identities: number;
    /** Amounts per period that would have let 95, 99 and 100 % of everybody's requests pass; null where the log does not tell. */
    readonly fit: { readonly p95: number; readonly p99: number; readonly p100: number } | null;
  }[];
  readonly from: string;
  readonly to: string;
  readonly unreadable: number;
  readonly outOfOrder: number;
}

export function jsonOf(replay: Replay, unreadable: number): ReplayJson {
  return {
    requests: replay.requests,
    refused: replay.refused,
    limits: replay.results.map((result) => ({
      name: result.name,
      refused: result.refused,
      identities: result.identities,
      fit: result.fit ?? null,
    })),
    from: new Date(replay.from).toISOString(),
    to: new Date(replay.to).toISOString(),
    unreadable,
    outOfOrder: replay.outOfOrder,
  };
}

export function textOf(replay: Replay, unreadable: { readonly count: number; readonly firstLine: number }): string {
  const { requests, refused, from, to } = replay;
  const share = requests === 0 ? 0 : (refused / requests) * 100;
  const paragraphs = [
    [
      `${grouped(requests)} requests in ${lengthOf(to - from)}, ${grouped(refused)} of them refused by this policy (${share.toFixed(share < 1 ? 2 : 1)} %)`,
      ...notes(replay, unreadable),
    ],
    ...replay.results.map((result) => limitLines(result, to)),
  ];
  return paragraphs.map((lines) => lines.join('\n')).join('\n\n');
}

function notes(replay: Replay, unreadable: { readonly count: number; readonly firstLine: number }): string[] {
  const lines: string[] = [];
  if (unreadable.count > 0) {
    lines.push(
      `${grouped(unreadable.count)} lines are no requests and were passed over, the first is line ${unreadable.firstLine}`,
    );
  }
  if (replay.outOfOrder > 0) {
    lines.push(
      `${grouped(replay.outOfOrder)} requests are older than one above them; they count as of the same instant`,
    );
  }
  return lines;
}

function limitLines(result: LimitResult, to: number): string[] {
  const { name, limit, refused, identities, fit } = result;
  const lines = [
    limit === undefined ? name : `${name}: ${describeLimit(limit)}${limit.mode === 'shadow' ? ' (shadow)' : ''}`,
  ];
  const verb = limit?.queue === true ? 'waited ' : limit?.mode === 'shadow' ? 'shadow ' : 'refused';
  if (refused === 0) lines.push(`  ${verb}   none`);
  else {
    const top = result.top(shownIdentities).map((one) => `${one.identity} ${grouped(one.refused)}`);
    const rest = identities > shownIdentities ? `, and ${grouped(identities - shownIdentities)} more` : '';
    lines.push(`  ${verb}   ${grouped(refused)}, of ${grouped(identities)}: ${top.join(', ')}${rest}`);
    lines.push(`  when      |${sparkline(result.when.bars(to, bars))}|`);
  }
  if (limit === undefined) return lines;
  if (fit === undefined) lines.push(`  would fit unknown: ${unknownBecause(limit)}`);
  else {
    const [most, nearly, all] = [fit.p95, fit.p99, fit.p100].map(amount);
    lines.push(`  would fit ${most} for 95 %, ${nearly} for 99 %, ${all} for all of everybody's requests`);
  }
  return lines;
}

function unknownBecause({ algorithm, measure }: Limit): string {
  if (algorithm === 'slots') return 'the log does not say how long requests took';
  return measure === 'requests' ? 'no request counts on it' : 'the log does not say what requests used';
}

function sparkline(counts: readonly number[]): string {
  const most = Math.max(...counts, 1);
  const height = (count: number): number =>
    count === 0 ? 0 : 1 + Math.round((count / most) * (barCharacters.length - 2));
  return counts.map((count) => barCharacters[height(count)]).join('');
}

function amount(value: number): string {
  return Number.isInteger(value) ? grouped(value) : value.toPrecision(3);
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

function lengthOf(ms: number): string {
  const units = [
    ['day', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
  ] as const;
  for (const [unit, unitMs] of units)
    if (ms >= 2 * unitMs) return `${(ms / unitMs).toFixed(1)} ${unit}${unit === 'day' ? 's' : ''}`;
  return `${(ms / 1000).toFixed(1)} s`;
}
