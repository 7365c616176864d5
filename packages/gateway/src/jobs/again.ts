/**
 * Submissions that say by a key of their own that they are the same one, sent again: the header `Idempotency-Key` of
 * draft-ietf-httpapi-idempotency-key-header. Of the key and of the submission only digests are kept.
 */
import { createHash } from 'node:crypto';
import { type GateRequest, type Refusal, refuse } from '@headgate/core';
import type { Submission } from './submission.js';

/** A submission as it is known again. */
export interface Again {
  /** Of the key and of whose it is, hex. */
  readonly key: string;
  /** Of all that was submitted, hex. */
  readonly digest: string;
}

const lengthMax = 255;
const wrong = refuse(
  'bad-request',
  `an Idempotency-Key is 1 to ${lengthMax} visible characters, such as "8e03978e-40d5-43dd-bc93-6894a57f9324", in quotes or bare.`,
);
export const otherSubmission = refuse(
  'bad-request',
  'this idempotency key was used for another submission, whose job is still kept; a new submission needs a new key.',
  { status: 422 },
);

/** Undefined where the submission brings no key. */
export function againOf(
  headers: GateRequest['headers'],
  identity: string,
  submission: Submission,
): Again | undefined | Refusal {
  const key = keyIn(headers);
  if (key === undefined || typeof key !== 'string') return key;
  const { path, body, priority, callback } = submission;
  return { key: digestOf([identity, key]), digest: digestOf([path, body, priority, callback?.href ?? null]) };
}

/** A string as structured fields write it (RFC 9651, 3.3.3), or the same without its quotes, as most clients send it. */
function keyIn(headers: GateRequest['headers']): string | undefined | Refusal {
  const given = headers['idempotency-key'];
  if (given === undefined) return undefined;
  const text = typeof given === 'string' ? given.trim() : '';
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]?.replace(/\\(.)/g, '$1');
  const key = quoted ?? (text.startsWith('"') ? '' : text);
  return key.length <= lengthMax && /^[\x21-\x7e]+$/.test(key) ? key : wrong;
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
