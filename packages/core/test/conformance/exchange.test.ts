import { describe, test } from 'vitest';
import { exchangeConformance } from '../../src/testing/exchange-conformance.js';
import { LaterStore } from '../support/later-store.js';
import { Shelf } from '../support/shelf.js';

describe('the shelf that stands in for a shared store in tests', () => {
  const cases = exchangeConformance(async (clock) => {
    const shelf = new Shelf();
    return [new LaterStore(clock, undefined, shelf), new LaterStore(clock, undefined, shelf)];
  });
  for (const { name, run } of cases) test(name, run);
});
