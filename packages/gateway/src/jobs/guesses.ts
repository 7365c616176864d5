/**
 * Keys that may be guesses at the admin's, which opens the jobs of everybody. Whoever asks for a job that is not theirs gets the
 * same answer whether there is one or not, so only the admin key makes a difference there; a key that nobody knows is counted
 * as wrong then, though the policy may let its bearer ask by an address, by a name made of that key or by another key.
 */
import type { Gate, GateRequest, Refusal } from '@headgate/core';
import { bringsKey } from '../admin/access.js';

/** Identities of whom nothing but an address or a key of no one's is known; no other has such a name. */
const unknown = /^(?:address|key):/;

/**
 * @param request without a key in its target
 * @param refusal the ordinary answer
 * @returns that, or the one for who guesses too often
 */
export async function refuseGuess(gate: Gate, request: GateRequest, refusal: Refusal): Promise<Refusal> {
  const { authorization, 'x-forwarded-for': forwardedFor } = request.headers;
  if (!bringsKey(authorization)) return refusal;
  // As if nothing else had been brought: a client's own key is no guess, but does not vouch for another one beside it.
  const alone = { ...request, headers: { authorization, 'x-forwarded-for': forwardedFor } };
  const name = await gate.nameOf(alone);
  if (name !== undefined && !unknown.test(name)) return refusal;
  return (await gate.refuseWrong(alone, refusal)).refusal;
}
