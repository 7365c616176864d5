/** What the limiter tells beyond single requests, as lines of the log: what a dry run would have refused, alerts, and what became of backends. */
import type { Limiter } from '@headgate/core';
import type { AccessLog, ReopenedLog } from './access-log.js';

export function logEvents(limiter: Limiter, log: ReopenedLog): void {
  limiter.on('request-would-refuse', (event) => log.violations.wouldRefuse(event));
  limiter.on('request-would-refuse', ({ identity: { id: identity }, operation, model, reason, limit }) =>
    log.note(`shadow: limit ${limit} would refuse ${operation} of ${identity}`, {
      ...{ identity, operation, model, reason, limit },
      mode: 'shadow',
    }),
  );
  limiter.on('limit-alert', ({ limit, subject, share, state: { limit: amount, remaining } }) =>
    log.note(`limit ${limit} of ${subject} is at ${percent(share)}`, {
      ...{ event: 'limit-alert', limit, subject, share, amount, remaining },
    }),
  );
  limiter.on('context-alert', ({ identity: { id: identity }, model, inputTokens, contextTokens, share }) =>
    log.note(`a prompt of ${identity} fills ${percent(share)} of the context of ${model}`, {
      ...{ event: 'context-alert', identity, model, inputTokens, contextTokens },
    }),
  );
  limiter.on('backend-down', ({ backend }) =>
    log.note(`backend ${backend} is down`, { event: 'backend-down', backend }),
  );
  limiter.on('backend-up', ({ backend }) => log.note(`backend ${backend} is back`, { event: 'backend-up', backend }));
  limiter.on('backend-ejected', ({ backend, cause, forMs }) =>
    log.note(`backend ${backend} is done without for ${Math.round(forMs / 1000)} s: ${cause}`, {
      ...{ event: 'backend-ejected', backend, cause, forMs: Math.round(forMs) },
    }),
  );
  limiter.on('store-down', ({ cause }) =>
    log.note(`the store does not answer, and decisions are made without it: ${cause}`, { event: 'store-down', cause }),
  );
  limiter.on('store-up', () => log.note('the store answers again', { event: 'store-up' }));
  limiter.on('alert-failed', ({ host, event, tries, cause }) =>
    log.note(`the webhook at ${host} did not take ${event}: ${cause}`, {
      ...{ event: 'alert-failed', host, alert: event, tries, cause },
    }),
  );
}

/** Budgets have more left from here on than they should. */
export function logLost(log: AccessLog, settlements: number, cause: unknown): void {
  const why = cause instanceof Error ? cause.message : String(cause);
  log.note(`${settlements} settlements are lost to the store: ${why}`, {
    ...{ event: 'settlements-lost', settlements, cause: why },
  });
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
