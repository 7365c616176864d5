/** What a store is made of, before anything is asked of Redis. */
import { HeadgateError } from '@headgate/core';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { redisStore } from '../../src/index.js';

const client = new Redis({ lazyConnect: true });

test.each<[client: unknown, options: unknown, message: string]>([
  ['redis://:secret@h', {}, 'the client of redisStore is text; it has to be one of ioredis, such as `new Redis('],
  [undefined, {}, 'the client of redisStore is nothing; it has to be one of ioredis'],
  [{ host: 'h' }, {}, 'the client of redisStore is a mapping; it has to be one of ioredis'],
  [client, { prefx: 'llm' }, 'redisStore has no option `prefx`; did you mean `prefix`?'],
  [client, { onDown: 'closed' }, 'redisStore has no option `onDown`; there are `prefix`, `leaseMs`,'],
  [client, { leaseMs: '15s' }, 'the option `leaseMs` of redisStore is text; it has to be a number of milliseconds'],
  [client, { leases: 'no' }, 'the option `leases` of redisStore is text; it has to be `true` or `false`'],
])('what no store can be made of is told by name: %#', (given, options, message) => {
  const make = (): unknown => redisStore(given as Redis, options as object);
  expect(make).toThrow(HeadgateError);
  expect(make).toThrow(message);
});
