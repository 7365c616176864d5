/** Refusals in Anthropic's shape. */
import type { HttpRefusal, JsonObject, Reason, Refusal } from '@headgate/core';
import { sentence } from '../wording.js';

const types: Readonly<Record<Reason, string>> = {
  'bad-request': 'invalid_request_error',
  'not-found': 'not_found_error',
  'bad-method': 'invalid_request_error',
  'bad-encoding': 'invalid_request_error',
  unauthorized: 'authentication_error',
  'model-not-found': 'not_found_error',
  forbidden: 'permission_error',
  'too-large': 'request_too_large',
  limit: 'rate_limit_error',
  concurrency: 'rate_limit_error',
  'queue-full': 'overloaded_error',
  'queue-timeout': 'overloaded_error',
  'no-backend': 'overloaded_error',
  draining: 'overloaded_error',
  'backend-error': 'api_error',
  'backend-timeout': 'api_error',
  'store-down': 'overloaded_error',
  run: 'rate_limit_error',
  blocked: 'rate_limit_error',
};

export function errorObject(refusal: Refusal): JsonObject {
  return { type: types[refusal.reason], message: sentence(refusal) };
}

export function refusal(refused: Refusal, requestId: string): HttpRefusal {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'request-id': requestId };
  if (refused.allow !== undefined) headers.allow = refused.allow.join(', ');
  const body = JSON.stringify({ type: 'error', error: errorObject(refused), request_id: requestId });
  return { status: refused.status, headers, body };
}
