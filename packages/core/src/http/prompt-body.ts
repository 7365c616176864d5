/** The body of a route that takes prompts, read and checked. */

import type { HeaderRecord } from '../identity/credentials.js';
import type { Refusal } from '../model.js';
import type { Policy } from '../policy/policy.js';
import { refuse } from '../refusal.js';
import type { Dialect, Reading, Route } from './dialect.js';
import { isRefusal } from './dialect.js';
import { type JsonBody, jsonOf } from './json-body.js';
import type { BodyOutcome, GateRequest } from './passage.js';

/** A body that is no prompt. Its bytes, where it was not parsed before. */
export interface NoPrompt {
  readonly bytes: Uint8Array | undefined;
}

/** `NoPrompt` only where the request means something else without one. */
export async function readPrompt(
  request: GateRequest,
  route: Route,
  dialect: Dialect,
  guard: Policy['guard'],
): Promise<Reading | Refusal | NoPrompt> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity') {
    return refuse('bad-encoding', 'compressed request bodies are not accepted; send it without Content-Encoding.');
  }
  const outcome = await request.readBody(guard.bodyBytesMax);
  const body = jsonOf(outcome, guard.bodyBytesMax);
  const reading = body.ok ? dialect.read(route, body.value, guard) : body.refusal;
  const isSure = request.otherwise === undefined || !isRefusal(reading) || route.model !== undefined;
  if (isSure || mayBePrompt(outcome, body, request.headers['content-type'])) return reading;
  return { bytes: 'bytes' in outcome ? outcome.bytes : undefined };
}

/**
 * Whether some reader could find in it a prompt for a model that is named. What is no object that everybody reads alike, such as one
 * with a key twice, may be one; what does not even begin as an object is none, unless it is a form, of which parsers make one.
 */
function mayBePrompt(outcome: BodyOutcome, body: JsonBody, contentType: HeaderRecord[string]): boolean {
  if (body.ok) return Object.keys(body.value).some((key) => key.toLowerCase() === 'model');
  if (!outcome.ok) return true;
  if (!('bytes' in outcome)) return false;
  return beginsAsObject(outcome.bytes) || (/form/i.test(String(contentType)) && hasModelField(outcome.bytes));
}

/** White space, byte order marks and the zeros of wider characters. */
const ignored = new Set([0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x20, 0xa0, 0xef, 0xbb, 0xbf, 0xfe, 0xff]);

function beginsAsObject(bytes: Uint8Array): boolean {
  return bytes.find((byte) => !ignored.has(byte)) === 0x7b;
}

/** Each letter as it is, escaped for a URL, or behind a backslash. */
const modelName = [...'model'].map((letter) => `\\\\?(?:${letter}|${escapesOf(letter)})`).join('');
/** What stands before the first field is skipped by some parsers: a question mark, a byte order mark. */
const modelField = new RegExp(`(?:^[^a-z%&=]{0,8}|&)${modelName}(?=[=&]|$)`, 'i');
const modelPart = new RegExp(`\\bname\\*?\\s*=\\s*(?:[\\w-]*'[\\w-]*')?"?${modelName}(?=["\\s;]|$)`, 'i');
const latin1 = new TextDecoder('latin1');

/** Whether a form has a field of that name, in either of the two ways in which forms are sent. */
function hasModelField(bytes: Uint8Array): boolean {
  const text = latin1.decode(bytes);
  return modelField.test(text) || modelPart.test(text);
}

function escapesOf(letter: string): string {
  return [letter, letter.toUpperCase()].map((each) => `%${each.charCodeAt(0).toString(16)}`).join('|');
}
