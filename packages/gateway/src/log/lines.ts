/** A request as one line, in the three formats of the access log. */
import type { RequestRecord } from '../exchange/record.js';

/** One JSON object, without what is not known. Its level and time stand first, as in all lines of the log. */
export function jsonLine(record: RequestRecord, time: string): string {
  let line = `{"level":"${record.refusal === undefined ? 'info' : 'warn'}","time":"${time}"`;
  const known = jsonFields(record);
  for (const name in known) {
    const value = known[name];
    if (value !== undefined) line += `,"${name}":${JSON.stringify(value)}`;
  }
  return `${line}}`;
}

/** Rounded: a log is read, not computed with. */
export function jsonFields(record: RequestRecord): Record<string, string | number | undefined> {
  const { about, refusal, usage, charged } = record;
  const fields = {
    requestId: about?.requestId,
    traceId: record.trace?.id,
    identity: about?.identity?.id,
    tier: about?.identity?.tier,
    address: addressOf(record),
    dialect: about?.dialect,
    operation: about?.operation,
    model: about?.model,
    status: record.status,
    backend: record.backend,
    tries: record.tries,
    waitedMs: rounded(record.waitedMs),
    firstByteMs: rounded(record.firstByteMs),
    firstTokenMs: rounded(record.firstTokenMs),
    totalMs: rounded(record.totalMs),
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    cost: amount(charged?.cost),
    gpuSeconds: amount(charged?.gpuSeconds),
    cut: record.cut,
    reason: refusal?.reason,
    limit: refusal?.limit,
    mode: refusal === undefined ? undefined : 'enforce',
  };
  return fields;
}

/** nginx's `combined`, with the backend and the times in seconds appended: queue, first byte, whole. */
export function combinedLine(record: RequestRecord): string {
  const { about } = record;
  const time = (ms: number | undefined): string => (ms === undefined ? '-' : (ms / 1000).toFixed(3));
  return [
    addressOf(record) ?? '-',
    '-',
    about?.identity?.id ?? '-',
    `[${commonTime(new Date(record.startedAt))}]`,
    quoted(record.method === '' ? '-' : `${record.method} ${withoutKey(record.target)} HTTP/${record.httpVersion}`),
    record.status ?? 499,
    record.bytes,
    quoted(withoutKey(record.referer) || '-'),
    quoted(record.userAgent || '-'),
    record.backend ?? '-',
    time(record.waitedMs),
    time(record.firstByteMs),
    time(record.totalMs),
  ].join(' ');
}

/** What a decision takes without waiting is less. */
const worthTellingMs = 20;

/** For people who watch. */
export function prettyLine(record: RequestRecord): string {
  const { about, refusal, usage, backend, waitedMs = 0 } = record;
  const cost = amount(record.charged?.cost);
  const parts = [
    new Date(record.startedAt).toTimeString().slice(0, 8),
    String(record.status ?? 'gone'),
    record.method === '' ? `no request, from ${addressOf(record)}` : `${record.method} ${withoutKey(record.target)}`,
    about?.model,
    about?.identity?.id,
    refusal === undefined ? undefined : `refused: ${refusal.limit ?? refusal.reason}`,
    waitedMs < worthTellingMs ? undefined : `waited ${Math.round(waitedMs)}ms`,
    backend === undefined ? undefined : `by ${backend}`,
    usage === undefined ? undefined : `${usage.inputTokens ?? 0} tokens in, ${usage.outputTokens ?? 0} out`,
    cost === undefined ? undefined : `$${cost}`,
    record.cut,
    `${Math.round(record.totalMs ?? 0)}ms`,
  ];
  return onOneLine(parts.filter((part) => part !== undefined && part !== '').join('  '));
}

/** What clients name may hold line ends, and commands for the terminal of whoever watches. */
export function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${found.codePointAt(0)!.toString(16)}}`);
}

/** The client's, else that of its connection. */
export function addressOf({ about, peer }: RequestRecord): string | undefined {
  return about?.address || peer || undefined;
}

/** Undefined for none. */
function amount(charged: number | undefined): number | undefined {
  return charged === undefined || charged === 0 ? undefined : Number(charged.toPrecision(6));
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}

/** The target without its query, and without a key in its path or a password before its host, however it is spelt. */
export function withoutKey(target: string): string {
  return target
    .split(/[?#]/, 1)[0]!
    .replace(/^([a-z]+:\/\/)[^/]*@/i, '$1***@')
    .replace(/(?:\/|%2f)(?:k|%6b|%4b)(?:\/|%2f)(?:[/.]|%2[ef])*(?:(?!%2f)[^/])*/i, '/k/***')
    .slice(0, 500);
}

/** What would end the field, or the line, is written as nginx does. */
function quoted(text: string): string {
  const escaped = text.replace(/["\\]|[^ -~]/g, (found) => {
    return `\\x${found.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function commonTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`;
  return `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
