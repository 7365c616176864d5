/** Refusals in words: each is a value with a reason, a status and one sentence that says what to do. */
import type { Limit, Reason, Refusal } from './model.js';
import { describeLimit } from './policy/describe.js';
import type { Shortfall } from './store/store.js';

/** The HTTP status that says each best. */
export const statuses: { readonly [R in Reason]: number } = {
  'bad-request': 400,
  'not-found': 404,
  'bad-method': 405,
  'bad-encoding': 415,
  unauthorized: 401,
  'model-not-found': 404,
  forbidden: 403,
  'too-large': 413,
  limit: 429,
  concurrency: 429,
  'queue-full': 503,
  'queue-timeout': 503,
  'no-backend': 503,
  draining: 503,
  'backend-error': 502,
  'backend-timeout': 504,
  'store-down': 503,
  run: 429,
  blocked: 429,
};

/** An estimated wait that we tell a client is never shorter: what is not known should not invite a hammering. */
export const estimatedWaitMsMin = 1_000;

export function refuse(reason: Reason, message: string, more: Partial<Refusal> = {}): Refusal {
  return { reason, status: statuses[reason], message, ...more };
}

/** Units of waits by size, s. */
const [minuteS, hourS, dayS] = [60, 3600, 86_400];

/** `12s`, `2h 19min`, `1 day 5h` for people and for clients that read the sentence; never shorter than it is. */
export function inWords(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 2 * minuteS) return `${seconds}s`;
  if (seconds < hourS) return inUnits(seconds, minuteS, 'min', 1, 's');
  const minutes = Math.ceil(seconds / minuteS);
  if (minutes * minuteS < dayS) return inUnits(minutes * minuteS, hourS, 'h', minuteS, 'min');
  const wholeS = Math.ceil(seconds / hourS) * hourS;
  return inUnits(wholeS, dayS, wholeS < 2 * dayS ? ' day' : ' days', hourS, 'h');
}

function inUnits(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = (seconds % large) / small;
  const whole = `${Math.floor(seconds / large)}${largeName}`;
  return rest === 0 ? whole : `${whole} ${rest}${smallName}`;
}

const byteUnits = { MiB: 2 ** 20, MB: 1e6, KiB: 2 ** 10, KB: 1e3 };

/** `20 MiB`, `1500 MB`, `512 KiB`, `100 bytes`: in the largest unit that says it exactly. */
function bytesInWords(bytes: number): string {
  const whole = Object.entries(byteUnits).find(([, size]) => bytes % size === 0);
  return whole === undefined ? `${bytes} bytes` : `${bytes / whole[1]} ${whole[0]}`;
}

export function bodyTooLarge(bytesMax: number): Refusal {
  return refuse('too-large', `request body too large (max ${bytesInWords(bytesMax)})`);
}

/** What the refusals of a limit say around what differs: who was refused, and for how long. */
interface Words {
  readonly rule: string;
  /** Whether it says who was refused. */
  readonly named: boolean;
  readonly before: string;
  readonly after: string;
  /** `after` with the wait that was said last, and that wait: the refusals of one second all say the same. */
  ending: string;
  endingSeconds: number;
}

/** A flood is refused often, so what is the same in all refusals of a limit is put together once. */
const known = new WeakMap<Limit, Words>();

function wordsOf(limit: Limit): Words {
  let words = known.get(limit);
  if (words === undefined) {
    const rule = `${describeLimit(limit)} (limit ${limit.name})`;
    const named = limit.per.includes('identity');
    const what = limit.algorithm === 'slots' ? 'too many requests at once' : 'rate limit exceeded';
    const before = named ? `${what} for ` : what;
    const after = `: ${rule}; please try again in `;
    words = { rule, named, before, after, ending: '', endingSeconds: -1 };
    known.set(limit, words);
  }
  return words;
}

/**
 * The refusal for a limit that had no room.
 * @param identity who was refused, as the client may know it
 * @param slotMs says when one of so many slots is expected to be free; asked for limits that only a release can lift
 * @param isSpent whether what is counted of a run will not come back
 */
export function overLimit(
  { limit, retryAfterMs }: Shortfall,
  identity: string,
  slotMs: (slots: number) => number,
  isSpent = limit.envelope === true,
): Refusal {
  const { name, measure, algorithm } = limit;
  if (isSpent || retryAfterMs === Number.POSITIVE_INFINITY) return overForGood(limit, identity);
  const words = wordsOf(limit);
  const isSlots = algorithm === 'slots';
  const reason = isSlots ? 'concurrency' : 'limit';
  const status = isSlots ? statuses.concurrency : statuses.limit;
  const waitMs = isSlots ? slotMs(limit.amount) : retryAfterMs;
  const message = words.before + (words.named ? identity : '') + endingOf(words, waitMs);
  return { reason, status, message, limit: name, measure, retryAfterMs: waitMs };
}

function endingOf(words: Words, waitMs: number): string {
  const seconds = Math.ceil(waitMs / 1000);
  if (seconds !== words.endingSeconds) {
    words.ending = `${words.after}${inWords(waitMs)}.`;
    words.endingSeconds = seconds;
  }
  return words.ending;
}

/** The refusal for credentials of which too many were wrong. */
export function blocked(limit: Limit, address: string, retryAfterMs: number): Refusal {
  const whose = limit.per.includes('address') ? ` from ${address}` : '';
  const message = `too many wrong keys${whose}: ${describeLimit(limit)} (limit ${limit.name}); please try again in ${inWords(retryAfterMs)}.`;
  return refuse('blocked', message, { limit: limit.name, measure: limit.measure, retryAfterMs });
}

export function noSuchPath(path: string): Refusal {
  return refuse('not-found', `no such path: ${path.slice(0, 200)}`);
}

/** Nobody can count it now, and the policy lets nothing through uncounted. */
export function storeDown(): Refusal {
  const retryAfterMs = estimatedWaitMsMin;
  const message = `the limits cannot be checked now; please try again in ${inWords(retryAfterMs)}.`;
  return refuse('store-down', message, { retryAfterMs });
}

/** For what waiting does not cure. */
function overForGood(limit: Limit, identity: string): Refusal {
  const { rule, named } = wordsOf(limit);
  const more = { limit: limit.name, measure: limit.measure };
  if (limit.envelope === true) return refuse('run', `this run has used all it may: ${rule}.`, more);
  const whose = named ? ` for ${identity}` : '';
  return refuse('limit', `this request alone is more than ${rule} ever allows${whose}; ask for less.`, more);
}

/** @param backMs when one may be back, ms; undefined when nobody can say */
export function noBackend(backMs: number | undefined): Refusal {
  const retryAfterMs = Math.max(estimatedWaitMsMin, Math.ceil(backMs ?? 0));
  return refuse('no-backend', 'no backend can take requests now.', { retryAfterMs });
}

export function draining(): Refusal {
  return refuse('draining', 'the server is shutting down; please try again.', { retryAfterMs: 5_000 });
}
