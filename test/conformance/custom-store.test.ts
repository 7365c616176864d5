import { MessageChannel } from 'node:worker_threads';
import { MemoryStore, type Store } from '@headgate/core';
import { storeConformance } from '@headgate/core/testing';
import { describe, expect, test } from 'vitest';
import { PortStore, storeServer } from '../../examples/custom-store/port-store.mjs';
import { textOf } from '../support/repository.js';

describe('the store of the example', () => {
  const cases = storeConformance((clock) => {
    const { port1, port2 } = new MessageChannel();
    storeServer(new MemoryStore(clock))(port1);
    return new PortStore(port2) as unknown as Store;
  });
  for (const { name, run } of cases) test(name, run);

  test('is about eighty lines', () => {
    const code = textOf('examples/custom-store/port-store.mjs').split('\n');
    expect(code.filter((line) => line.trim() !== '' && !/^\s*(\/\/|\/\*\*)/.test(line)).length).toBeLessThanOrEqual(80);
  });
});
