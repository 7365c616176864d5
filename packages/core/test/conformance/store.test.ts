import { describe, test } from 'vitest';
import { MemoryStore } from '../../src/store/memory.js';
import { storeConformance } from '../../src/testing/store-conformance.js';

describe('the memory store', () => {
  for (const { name, run } of storeConformance((clock) => new MemoryStore(clock))) test(name, run);
});
