/** The body of a request as the gate is handed it: the JSON object that it is, or what keeps it from being one. */
import type { Refusal } from '../model.js';
import { bodyTooLarge, refuse } from '../refusal.js';
import type { JsonObject, JsonValue } from './dialect.js';
import type { BodyOutcome, BodyProblem } from './passage.js';
import { parseStrictJsonBytes } from './strict-json.js';

/** Told apart by a word of ours: an object of the client's may look like a refusal. */
export type JsonBody =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly refusal: Refusal };

/** @param bytesMax told to whoever sent more */
export function jsonOf(outcome: BodyOutcome, bytesMax: number): JsonBody {
  if (!outcome.ok) {
    const { reason } = outcome;
    return no(reason === 'too-large' ? bodyTooLarge(bytesMax) : refuse('bad-request', bodyProblems[reason]));
  }
  return 'bytes' in outcome ? parseBytes(outcome.bytes) : parsedBefore(outcome.value);
}

const bodyProblems: Readonly<Record<Exclude<BodyProblem, 'too-large'>, string>> = {
  timeout: 'the request body took too long to arrive.',
  aborted: 'the request body ended early.',
  malformed: 'the request body is not framed as HTTP frames one.',
};

function parseBytes(bytes: Uint8Array): JsonBody {
  if (bytes.length === 0) return no(refuse('bad-request', 'missing request body'));
  const parsed = parseStrictJsonBytes(bytes);
  return parsed.ok ? objectOnly(parsed.value) : no(refuse('bad-request', parsed.problem));
}

function parsedBefore(value: unknown): JsonBody {
  if (value === undefined || value === null || value === '') return no(refuse('bad-request', 'missing request body'));
  return objectOnly(value as JsonValue);
}

function objectOnly(value: JsonValue): JsonBody {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? { ok: true, value } : no(refuse('bad-request', 'the request body must be a JSON object'));
}

function no(refusal: Refusal): JsonBody {
  return { ok: false, refusal };
}
