/**
 * The policies that are measured. Every amount is either so large that nothing is ever refused, or spent by one request, so
 * that everything after it is: a row is of one kind from its first decision to its last.
 */
import {
  type AdmitRequest,
  createLimiter,
  type Limiter,
  type LimiterOptions,
  parsePolicy,
  type Subject,
} from '@headgate/core';

/** More than a run can use, and few enough digits that a double counts every unit. */
export const plenty = 1e12;
/** More keys than any row has, so that none is given up for another. */
export const keysKept = '2M';

export const limitsOfSix = ['requests', 'hour', 'day', 'concurrency', 'chat', 'house'] as const;
export type LimitOfSix = (typeof limitsOfSix)[number];

/** A rate so slow that what is spent stays spent for as long as a run takes. */
function perDay(burst: number): object {
  return { limit: 1, per: 'day', burst };
}

export function oneLimit(burst: number): object {
  return { requests: perDay(burst), keys: keysKept };
}

/** Four algorithms and three scopes, all decided at once. Benchmarks' README spells it as a user would. */
export function sixLimits(amounts: Partial<Record<LimitOfSix, number>> = {}): object {
  const amount = (limit: LimitOfSix): number => amounts[limit] ?? plenty;
  return {
    requests: perDay(amount('requests')),
    tokens: [
      { limit: amount('hour'), per: 'hour' },
      { limit: amount('day'), per: 'day' },
    ],
    concurrency: amount('concurrency'),
    limits: [
      { name: 'chat', match: { operation: 'chat' }, per: ['identity', 'model'], requests: perDay(amount('chat')) },
      { name: 'house', per: 'all', tokens: { limit: amount('house'), per: 'min' } },
    ],
    keys: keysKept,
  };
}

export function limiterOf(policy: object, options: LimiterOptions = {}): Limiter {
  return createLimiter(parsePolicy(policy), options);
}

export const inputTokens = 20;
/** Reserved, and used in the end. */
export const outputTokens = 30;
export const outputTokensUsed = 24;
export const model = 'llama3.1:8b';

/** The request of the six-limit rows: its size is known, so that no text is measured along with the decision. */
export function chatRequest(identity: string): AdmitRequest {
  return {
    identity,
    operation: 'chat',
    model,
    input: { tokens: inputTokens },
    outputTokensMax: outputTokens,
  };
}

/** The request of the one-limit rows. */
export function plainRequest(identity: string): AdmitRequest {
  return { identity };
}

/** The same requester as the store sees it. */
export function subjectOf(identity: string): Subject {
  return { identity, address: '', model, tier: 'default', run: '' };
}
