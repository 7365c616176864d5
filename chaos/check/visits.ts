/** What clients got: an answer that is whole or says that it is not, and is the one that a backend gave, once (F27, F33). */
import type { History, Life, Served, Violation, Visit } from '../history.js';

const statuses: readonly number[] = [200, 429, 502, 503, 504];
/** Between the death of a gateway and what clients and we see of it, ms. */
const seenMs = 1_000;

export function visitViolations({ visits, served, lives }: History): Violation[] {
  const byRequest = new Map<string, Served[]>();
  for (const one of served) {
    const group = byRequest.get(one.requestId);
    if (group === undefined) byRequest.set(one.requestId, [one]);
    else group.push(one);
  }
  const violations = visits.flatMap((visit) => visitProblem(visit, lives) ?? []);
  for (const visit of visits) {
    if (visit.ending !== 'whole') continue;
    const answers = (byRequest.get(visit.requestId ?? '') ?? []).filter(({ outcome }) => outcome === 'completed');
    const what = `${visit.requestId} was answered whole, with ${visit.tokens} tokens, and ${answers.length} backends answered it, with ${answers.map(({ tokens }) => tokens)}`;
    if (answers.length !== 1 || answers[0]!.tokens !== visit.tokens) {
      violations.push({ promise: 'an answer is what one backend gave', what, at: visit.sentAt });
    }
  }
  return violations;
}

function visitProblem(visit: Visit, lives: readonly Life[]): Violation | undefined {
  const { identity, gateway, ending, status, reason, sentAt: at } = visit;
  const who = `a request of ${identity} by ${gateway}`;
  if (status !== undefined && !statuses.includes(status)) {
    return { promise: 'refusals are those that are documented', what: `${who} was answered ${status} ${reason}`, at };
  }
  if (ending === 'short') return { promise: 'a cut answer says so', what: `${who} ended as if it were whole`, at };
  if (ending === 'hung') return { promise: 'nobody waits for ever', what: `${who} hung`, at };
  if (ending !== 'unanswered' && ending !== 'broken') return undefined;
  const lived = lives.some(
    (life) =>
      life.gateway === gateway && life.from <= at && (life.to ?? Number.POSITIVE_INFINITY) > visit.endedAt + seenMs,
  );
  return lived ? { promise: 'every request is answered', what: `${who}, which lived, was ${ending}`, at } : undefined;
}
