/** JSON, one object a line: our own access log, or a trace with the names of the CSV columns. */
import type { PastRequest } from './record.js';

export function jsonLine(line: string): PastRequest | undefined {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof fields !== 'object' || fields === null) return undefined;
  return typeof fields.ts_ms === 'number' ? traceLine(fields, fields.ts_ms) : logLine(fields);
}

function traceLine(fields: Record<string, unknown>, at: number): PastRequest {
  return {
    at,
    ...known('identity', text(fields.client_id)),
    address: '',
    method: 'POST',
    path: '/api/chat',
    operation: 'chat',
    ...known('inputTokens', number(fields.input_tokens)),
    ...known('outputTokens', number(fields.output_tokens)),
  };
}

/** Lines about anything but a request, such as what a shadow limit would have done, have no request id. */
function logLine(fields: Record<string, unknown>): PastRequest | undefined {
  const at = typeof fields.time === 'string' ? Date.parse(fields.time) : Number.NaN;
  if (Number.isNaN(at) || typeof fields.requestId !== 'string') return undefined;
  const tookMs = number(fields.totalMs);
  return {
    // A line is written when the answer has ended.
    at: at - (tookMs ?? 0),
    ...known('identity', text(fields.identity)),
    ...known('tier', text(fields.tier)),
    address: text(fields.address) ?? '',
    method: 'POST',
    path: '',
    operation: text(fields.operation) ?? 'other',
    ...known('model', text(fields.model)),
    ...known('inputTokens', number(fields.inputTokens)),
    ...known('outputTokens', number(fields.outputTokens)),
    ...known('tookMs', tookMs),
  };
}

function known<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
