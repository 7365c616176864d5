/** Limits in a few words, for refusals and for `headgate check`. */
import type { Limit, Measure } from '../model.js';
import { type Unit, unitMs } from './unit.js';

const nouns: { readonly [M in Measure]: readonly [one: string, many: string] } = {
  requests: ['request', 'requests'],
  tokens: ['token', 'tokens'],
  inputTokens: ['input token', 'input tokens'],
  outputTokens: ['output token', 'output tokens'],
  cost: ['dollar', 'dollars'],
  gpuSeconds: ['GPU second', 'GPU seconds'],
  concurrency: ['request', 'requests'],
  failures: ['failure', 'failures'],
  toolCalls: ['tool call', 'tool calls'],
};

/** `10 requests per minute, burst 3`; `100k tokens per hour (rolling)`; `5 requests at once`. */
export function describeLimit(limit: Limit): string {
  const amount = amountWords(limit);
  if (limit.algorithm === 'slots') return `${amount} at once`;
  if (limit.envelope === true) return `${amount} per run`;
  let words = `${amount} per ${limit.calendar ?? periodWords(limit.periodMs)}`;
  if (limit.algorithm === 'rolling') words += ' (rolling)';
  if (limit.algorithm === 'calendar') words += ' (calendar)';
  if (limit.algorithm === 'token-bucket' && limit.capacity !== limit.amount)
    words += `, burst ${numberWords(limit.capacity)}`;
  if (limit.delay !== undefined) words += `, past ${limit.delay.after} at once the next ones wait`;
  if (limit.blockMs !== undefined) words += `, then blocked for ${durationWords(limit.blockMs)}, longer each time`;
  return words;
}

function amountWords({ measure, amount }: Limit): string {
  if (measure === 'cost')
    return `$${Number.isInteger(amount) ? amount : amount.toFixed(Math.max(2, decimals(amount)))}`;
  return `${numberWords(amount)} ${nouns[measure][amount === 1 ? 0 : 1]}`;
}

const decimals = (value: number): number => (String(value).split('.')[1] ?? '').length;

const scales = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** Large numbers the way policies write them, when that is exact: `100k`, `1.5M`, but `4096`. */
export function numberWords(value: number): string {
  if (value < 10_000) return String(value);
  for (const [scale, suffix] of scales) {
    const scaled = value / scale;
    if (scaled >= 1 && Number.isInteger(scaled * 10)) return `${scaled}${suffix}`;
  }
  return String(value);
}

const long: { readonly [U in Unit]: string } = {
  ms: 'millisecond',
  s: 'second',
  min: 'minute',
  hour: 'hour',
  day: 'day',
  week: 'week',
  month: 'month',
};
const units = (Object.keys(unitMs) as Unit[]).reverse();

/** `90 seconds`, `2 hours`, `1 minute`: the largest unit that fits without a rest. */
export function durationWords(ms: number): string {
  const unit = units.find((candidate) => ms >= unitMs[candidate] && ms % unitMs[candidate] === 0) ?? 'ms';
  const count = ms / unitMs[unit];
  return `${count} ${long[unit]}${count === 1 ? '' : 's'}`;
}

const periodWords = (ms: number): string => durationWords(ms).replace(/^1 /, '');
