/**
 * The headers that tell a client where it stands: `RateLimit` and `RateLimit-Policy` as of
 * draft-ietf-httpapi-ratelimit-headers-11, the `X-RateLimit-*` triple of most APIs, and OpenAI's per-measure names.
 */
import type { LimitState, Refusal } from '../model.js';
import type { HeaderSet } from '../policy/policy.js';

/** Most limits listed in one header; the tightest come first. */
const listedMax = 8;
/** Waits longer than this are not worth an SDK's sleep. */
const worthWaitingMs = 60_000;
/** The largest integer that a structured field may hold (RFC 9651, 3.3.1). */
const integerMax = 999_999_999_999_999;

export type Headers = Record<string, string>;

/**
 * @param wall epoch ms, for the reset instants that are given as such
 * @param openaiPath whether the path is one of OpenAI's, whose names are sent there only
 */
export function limitHeaders(
  states: readonly LimitState[],
  sets: readonly HeaderSet[],
  wall: number,
  openaiPath: boolean,
): Headers {
  const headers: Headers = {};
  const shown = states.filter((state) => state.mode === 'enforce').sort((a, b) => shareLeft(a) - shareLeft(b));
  if (shown.length === 0) return headers;
  if (sets.includes('ietf')) ietfHeaders(headers, shown.slice(0, listedMax));
  if (sets.includes('legacy')) legacyHeaders(headers, shown, wall);
  if (sets.includes('openai') && openaiPath) openaiHeaders(headers, shown);
  return headers;
}

function shareLeft(state: LimitState): number {
  return state.remaining / state.limit;
}

/** Whole units of what is left: dollars and seconds of the accelerator are given in thousandths, since the fields are integers. */
function whole(state: LimitState, amount: number): number {
  const isFine = state.measure === 'cost' || state.measure === 'gpuSeconds';
  return Math.min(integerMax, Math.max(0, Math.floor(isFine ? amount * 1000 : amount)));
}

const quotaUnits: { readonly [measure: string]: string } = {
  requests: '',
  concurrency: ';qu="concurrent-requests"',
  cost: ';qu="millidollars"',
  gpuSeconds: ';qu="gpu-milliseconds"',
};

function ietfHeaders(headers: Headers, states: readonly LimitState[]): void {
  let policies = '';
  let limits = '';
  for (const state of states) {
    const between = policies === '' ? '' : ', ';
    const name = quoted(state.name);
    const window = state.periodMs > 0 ? `;w=${Math.max(1, Math.ceil(state.periodMs / 1000))}` : '';
    policies += `${between}${name};q=${whole(state, state.limit)}${quotaUnits[state.measure] ?? ''}${window}`;
    const next = state.periodMs > 0 ? `;t=${Math.ceil(state.nextMs / 1000)}` : '';
    limits += `${between}${name};r=${whole(state, state.remaining)}${next}`;
  }
  headers['ratelimit-policy'] = policies;
  headers.ratelimit = limits;
}

const plainName = /^[\w.:-]*$/;

/** A structured-field string: printable ASCII, quotes and backslashes escaped. */
function quoted(name: string): string {
  if (plainName.test(name)) return `"${name}"`;
  return `"${name.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}

function legacyHeaders(headers: Headers, states: readonly LimitState[], wall: number): void {
  const state = states.find(({ measure }) => measure === 'requests');
  if (state === undefined) return;
  headers['x-ratelimit-limit'] = String(state.limit);
  headers['x-ratelimit-remaining'] = String(whole(state, state.remaining));
  headers['x-ratelimit-reset'] = String(Math.ceil((wall + state.resetMs) / 1000));
}

function openaiHeaders(headers: Headers, states: readonly LimitState[]): void {
  for (const measure of ['requests', 'tokens'] as const) {
    const state = states.find((one) => one.measure === measure);
    if (state === undefined) continue;
    headers[`x-ratelimit-limit-${measure}`] = String(state.limit);
    headers[`x-ratelimit-remaining-${measure}`] = String(whole(state, state.remaining));
    headers[`x-ratelimit-reset-${measure}`] = goDuration(state.resetMs);
  }
}

/** `6m0s`, `1.5s`, `20ms`: durations as OpenAI writes them. */
export function goDuration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole === 0) return '0s';
  if (whole < 1000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / 60_000);
  const seconds = `${(whole % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/**
 * When to come back. `Retry-After` in whole seconds, rounded up and at least 1, since 0 makes some clients hammer; above a
 * minute `x-should-retry: false` too, since some clients would sleep it all; what can never succeed has only that.
 */
export function retryHeaders(refusal: Refusal): Headers {
  const { retryAfterMs, queue } = refusal;
  if (retryAfterMs === undefined) return { 'x-should-retry': 'false' };
  const headers: Headers = {
    'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
    'retry-after-ms': String(Math.max(1, Math.ceil(retryAfterMs))),
  };
  if (retryAfterMs > worthWaitingMs) headers['x-should-retry'] = 'false';
  if (queue !== undefined) {
    headers['x-headgate-queue-position'] = String(queue.position);
    headers['x-headgate-queue-wait-ms'] = String(Math.ceil(queue.waitMs));
  }
  return headers;
}

/**
 * Our headers beside those that another limiter has already set: lists are joined, and of the legacy triple the one with
 * fewer requests left stays.
 */
export function mergeHeaders(present: (name: string) => string | undefined, ours: Headers): Headers {
  // Nobody else has: most often there is nothing to merge.
  if (present('ratelimit') === undefined && present('x-ratelimit-remaining') === undefined) return ours;
  const merged: Headers = {};
  const theirs = Number(present('x-ratelimit-remaining') ?? Number.POSITIVE_INFINITY);
  const keepsTheirs = theirs < Number(ours['x-ratelimit-remaining'] ?? Number.POSITIVE_INFINITY);
  for (const [name, value] of Object.entries(ours)) {
    const other = present(name);
    if (name === 'ratelimit' || name === 'ratelimit-policy')
      merged[name] = other === undefined ? value : `${other}, ${value}`;
    else if (!(keepsTheirs && other !== undefined && name.startsWith('x-ratelimit-'))) merged[name] = value;
  }
  return merged;
}
