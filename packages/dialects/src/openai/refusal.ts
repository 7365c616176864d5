/** Refusals in OpenAI's shape. */
import type { HttpRefusal, JsonObject, Reason, Refusal } from '@headgate/core';
import { isBudgetSpent, isPromptTooLong, sentence } from '../wording.js';

/** `type` and `code` of each reason. */
const words: Readonly<Record<Reason, readonly [type: string, code: string | null]>> = {
  'bad-request': ['invalid_request_error', null],
  'not-found': ['not_found_error', 'unknown_url'],
  'bad-method': ['invalid_request_error', 'method_not_allowed'],
  'bad-encoding': ['invalid_request_error', 'unsupported_content_encoding'],
  unauthorized: ['authentication_error', 'invalid_api_key'],
  'model-not-found': ['not_found_error', 'model_not_found'],
  forbidden: ['permission_error', 'model_not_allowed'],
  'too-large': ['invalid_request_error', 'request_too_large'],
  limit: ['rate_limit_error', 'rate_limit_exceeded'],
  concurrency: ['rate_limit_error', 'rate_limit_exceeded'],
  'queue-full': ['api_error', 'server_overloaded'],
  'queue-timeout': ['api_error', 'server_overloaded'],
  'no-backend': ['api_error', 'server_overloaded'],
  draining: ['api_error', 'server_overloaded'],
  'backend-error': ['api_error', 'backend_error'],
  'backend-timeout': ['api_error', 'backend_timeout'],
  'store-down': ['api_error', 'server_overloaded'],
  run: ['rate_limit_error', 'run_limit_exceeded'],
  blocked: ['rate_limit_error', 'rate_limit_exceeded'],
};

export function errorObject(refusal: Refusal): JsonObject {
  const [type, usual] = words[refusal.reason];
  const code = isBudgetSpent(refusal)
    ? 'insufficient_quota'
    : isPromptTooLong(refusal)
      ? 'context_length_exceeded'
      : usual;
  return { message: sentence(refusal), type, param: null, code };
}

export function refusal(refused: Refusal, requestId: string): HttpRefusal {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-request-id': requestId };
  if (refused.allow !== undefined) headers.allow = refused.allow.join(', ');
  return { status: refused.status, headers, body: JSON.stringify({ error: errorObject(refused) }) };
}
