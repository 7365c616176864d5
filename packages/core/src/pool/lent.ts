/** Choosing among backends whose slots other processes use too. */
import type { Backend } from '../model.js';
import type { Wish } from '../wish.js';
import type { PooledBackend } from './backend.js';

export type Choice = PooledBackend | 'busy' | 'later';

/**
 * Chooses until a backend is found of which a slot is to be had; the others count as full meanwhile.
 * @param lent takes one of the backend's slots from those who share it; false when they use them all
 */
export function chooseLent(choose: () => Choice, wish: Wish, lent: (backend: Backend) => boolean): Choice {
  const refused: PooledBackend[] = [];
  let choice = choose();
  while (typeof choice !== 'string' && !lent(choice)) {
    choice.usedElsewhere = true;
    refused.push(choice);
    // The same question again, not the next round.
    wish.round = 0;
    choice = choose();
  }
  for (const backend of refused) backend.usedElsewhere = false;
  return choice;
}
