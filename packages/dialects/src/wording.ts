/** Sentences that are the same in every dialect. */
import type { Refusal } from '@headgate/core';

/**
 * The message, with the wait in words: several clients read "try again in N seconds" and nothing else. One that asks to try
 * again is told there when.
 */
export function sentence(refusal: Refusal): string {
  const { message, retryAfterMs } = refusal;
  if (retryAfterMs === undefined || /try again in/i.test(message)) return message;
  const told = message.replace(/please try again(?=[.;]|$)/, `please ${again(retryAfterMs)}`);
  return told === message ? withWait(message, retryAfterMs) : told;
}

/** The message as it is, and after it the wait. */
export function withWait(message: string, retryAfterMs: number | undefined): string {
  return retryAfterMs === undefined ? message : `${message.replace(/[.\s]+$/, '')}; ${again(retryAfterMs)}`;
}

function again(retryAfterMs: number): string {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return `try again in ${seconds} second${seconds === 1 ? '' : 's'}`;
}

/** Whether this is a budget that waiting does not bring back, as opposed to a rate. */
export function isBudgetSpent(refusal: Refusal): boolean {
  if (refusal.reason !== 'limit' || refusal.retryAfterMs !== undefined) return false;
  return refusal.measure !== undefined && refusal.measure !== 'requests';
}

/** Whether a `too-large` is about the prompt's tokens, as opposed to bytes or a number of inputs. */
export function isPromptTooLong(refusal: Refusal): boolean {
  return refusal.reason === 'too-large' && (refusal.measure === 'inputTokens' || refusal.measure === 'tokens');
}
