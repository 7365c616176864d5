import { type Scope, scopes } from '../model.js';
import type { Subject } from './store.js';

/** The key of the counters that a scope, or a list of scopes in any order, means for one requester. */
export function subjectKey(per: readonly Scope[], subject: Subject): string {
  if (per.length === 1) return scopeValue(per[0]!, subject);
  let key = '';
  for (const scope of scopes) {
    if (!per.includes(scope)) continue;
    const value = scopeValue(scope, subject);
    // Lengths make the parts unambiguous, whatever characters an id holds.
    key += `${value.length}:${value}`;
  }
  return key;
}

export function scopeValue(scope: Scope, subject: Subject): string {
  switch (scope) {
    case 'identity':
      return subject.identity;
    case 'address':
      return subject.address;
    case 'model':
      return subject.model;
    case 'tier':
      return subject.tier;
    case 'run':
      return `${subject.identity.length}:${subject.identity}${subject.run}`;
    case 'all':
      return '*';
  }
}
