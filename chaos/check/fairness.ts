/** While two identities wait for the same slots, what they are served drifts apart by no more than docs/queue.md says. */
import type { History, Violation } from '../history.js';

/** The identities that wait all the time while there are no faults. */
export const fair = ['fair-long', 'fair-short'] as const;

export function fairnessViolations({ visits, served, calm, rules }: History): Violation[] {
  const identities = new Map(visits.map(({ requestId, identity }) => [requestId, identity]));
  const share = new Map<string, number>(fair.map((identity) => [identity, 0]));
  for (const { requestId, from, to, tokens } of served) {
    const identity = identities.get(requestId) ?? '';
    const before = share.get(identity);
    if (before === undefined || from < calm.from || to > calm.to) continue;
    share.set(identity, before + rules.prompt + 2 * tokens);
  }
  const [long, short] = fair.map((identity) => share.get(identity)!) as [number, number];
  // Each gateway has a queue of its own, and may have all of the slots.
  const bound = rules.gateways * 2 * (rules.prompt + 2 * rules.house * rules.answerMax);
  if (Math.abs(long - short) <= bound) return [];
  const what = `${fair[0]} was served ${long}, ${fair[1]} ${short}: more than ${bound} apart`;
  return [{ promise: 'the queue is fair', what, at: calm.from }];
}
