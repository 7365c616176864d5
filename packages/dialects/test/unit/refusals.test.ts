import type { Reason, Refusal } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { anthropicDialect, ollamaDialect, openaiDialect } from '../../src/index.js';

const dialects = [ollamaDialect, openaiDialect, anthropicDialect];

const refusal = (reason: Reason, status: number, more: Partial<Refusal> = {}): Refusal => ({
  reason,
  status,
  message: 'no.',
  ...more,
});

describe('ollama', () => {
  const body = (refused: Refusal) => JSON.parse(ollamaDialect.refusal(refused, 'req_1').body);

  test('says it in one string, the wait included', () => {
    expect(
      body(
        refusal('limit', 429, {
          message: 'rate limit exceeded for key team-a: 10 requests/min.',
          retryAfterMs: 11_001,
        }),
      ),
    ).toEqual({
      error: 'rate limit exceeded for key team-a: 10 requests/min; try again in 12 seconds',
    });
    expect(body(refusal('limit', 429, { retryAfterMs: 1 })).error).toBe('no; try again in 1 second');
    expect(body(refusal('limit', 429, { message: 'Try again in 5 seconds.', retryAfterMs: 4_000 })).error).toBe(
      'Try again in 5 seconds.',
    );
    expect(body(refusal('limit', 429)).error).toBe('no.');
  });

  test('keeps the words that clients look for', () => {
    expect(body(refusal('queue-full', 503)).error).toBe(
      'server busy, please try again.  maximum pending requests exceeded',
    );
    const message = "model 'nope' not found";
    expect(body(refusal('model-not-found', 404, { message }))).toEqual({ error: message });
  });
});

describe.each(dialects)('$name', (dialect) => {
  const told = (reason: Reason, message: string, retryAfterMs: number): string => {
    const { error } = JSON.parse(dialect.refusal(refusal(reason, 503, { message, retryAfterMs }), 'req_1').body);
    return error.message ?? error;
  };

  test('asks once to try again, and says when', () => {
    expect(told('draining', 'the server is shutting down; please try again.', 5_000)).toBe(
      'the server is shutting down; please try again in 5 seconds.',
    );
    expect(told('limit', 'its turn has not come; please try again in 20ms.', 20)).toBe(
      'its turn has not come; please try again in 20ms.',
    );
    const waited = 'server busy, please try again.  waited too long for a free slot';
    expect(told('queue-timeout', waited, 1_000)).toBe(
      'server busy, please try again in 1 second.  waited too long for a free slot',
    );
  });

  test('a full queue says what Ollama says and when to come back', () => {
    const ollamas = 'server busy, please try again.  maximum pending requests exceeded';
    const words = told('queue-full', ollamas, 7_000);
    expect(words).toContain('try again in 7 seconds');
    if (dialect === ollamaDialect) expect(words).toContain(ollamas);
    else expect(words.match(/try again/g)).toHaveLength(1);
  });
});

describe('openai', () => {
  const error = (refused: Refusal) => JSON.parse(openaiDialect.refusal(refused, 'req_1').body).error;

  test.each<[Reason, number, string, string | null]>([
    ['bad-request', 400, 'invalid_request_error', null],
    ['not-found', 404, 'not_found_error', 'unknown_url'],
    ['bad-method', 405, 'invalid_request_error', 'method_not_allowed'],
    ['bad-encoding', 415, 'invalid_request_error', 'unsupported_content_encoding'],
    ['unauthorized', 401, 'authentication_error', 'invalid_api_key'],
    ['model-not-found', 404, 'not_found_error', 'model_not_found'],
    ['forbidden', 403, 'permission_error', 'model_not_allowed'],
    ['too-large', 413, 'invalid_request_error', 'request_too_large'],
    ['limit', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['concurrency', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['queue-full', 503, 'api_error', 'server_overloaded'],
    ['queue-timeout', 503, 'api_error', 'server_overloaded'],
    ['no-backend', 503, 'api_error', 'server_overloaded'],
    ['draining', 503, 'api_error', 'server_overloaded'],
    ['backend-error', 502, 'api_error', 'backend_error'],
    ['backend-timeout', 504, 'api_error', 'backend_timeout'],
    ['store-down', 503, 'api_error', 'server_overloaded'],
    ['run', 429, 'rate_limit_error', 'run_limit_exceeded'],
    ['blocked', 429, 'rate_limit_error', 'rate_limit_exceeded'],
  ])('%s', (reason, status, type, code) => {
    expect(error(refusal(reason, status))).toEqual({ message: 'no.', type, param: null, code });
  });

  test('a budget that waiting does not bring back is a quota, a rate is not', () => {
    expect(error(refusal('limit', 429, { measure: 'cost' })).code).toBe('insufficient_quota');
    expect(error(refusal('limit', 429, { measure: 'tokens' })).code).toBe('insufficient_quota');
    expect(error(refusal('limit', 429, { measure: 'tokens', retryAfterMs: 1_000 })).code).toBe('rate_limit_exceeded');
    expect(error(refusal('limit', 429, { measure: 'requests' })).code).toBe('rate_limit_exceeded');
  });

  test('a prompt with too many tokens is what clients shorten and retry', () => {
    expect(error(refusal('too-large', 413, { measure: 'inputTokens' })).code).toBe('context_length_exceeded');
  });

  test('names the request', () => {
    expect(openaiDialect.refusal(refusal('limit', 429), 'req_7').headers['x-request-id']).toBe('req_7');
  });
});

describe('anthropic', () => {
  test.each<[Reason, number, string]>([
    ['bad-request', 400, 'invalid_request_error'],
    ['not-found', 404, 'not_found_error'],
    ['bad-method', 405, 'invalid_request_error'],
    ['bad-encoding', 415, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['model-not-found', 404, 'not_found_error'],
    ['forbidden', 403, 'permission_error'],
    ['too-large', 413, 'request_too_large'],
    ['limit', 429, 'rate_limit_error'],
    ['concurrency', 429, 'rate_limit_error'],
    ['queue-full', 503, 'overloaded_error'],
    ['queue-timeout', 503, 'overloaded_error'],
    ['no-backend', 503, 'overloaded_error'],
    ['draining', 503, 'overloaded_error'],
    ['backend-error', 502, 'api_error'],
    ['backend-timeout', 504, 'api_error'],
    ['store-down', 503, 'overloaded_error'],
    ['run', 429, 'rate_limit_error'],
    ['blocked', 429, 'rate_limit_error'],
  ])('%s', (reason, status, type) => {
    const answer = anthropicDialect.refusal(refusal(reason, status), 'req_9');
    expect(answer).toMatchObject({ status, headers: { 'request-id': 'req_9' } });
    expect(JSON.parse(answer.body)).toEqual({ type: 'error', error: { type, message: 'no.' }, request_id: 'req_9' });
  });
});
