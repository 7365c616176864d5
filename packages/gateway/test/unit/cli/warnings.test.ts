import { parsePolicy } from '@headgate/core';
import { expect, it } from 'vitest';
import { warningsOf } from '../../../src/cli/warnings.js';

const limited = parsePolicy({ requests: '1/s' });
const withKeys = parsePolicy({ requests: '1/s', identity: [{ apiKey: { keys: { 'sk-1': { id: 'a' } } } }] });

it('warns of a gateway that others reach and that knows nobody', () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'gateway.example']) {
    expect(warningsOf(limited, host)).toEqual([expect.stringContaining(`other machines can reach ${host}`)]);
  }
  expect(warningsOf(parsePolicy({ requests: '1/s', listen: ':8080' }))).toHaveLength(1);
});

it('warns of a policy that lets everything pass', () => {
  for (const policy of [{}, { tiers: { free: {} } }, { queue: { depth: 1 } }]) {
    expect(warningsOf(parsePolicy(policy))).toEqual([expect.stringContaining('sets no limits')]);
  }
});

it('warns of bodies so small that hardly a request fits, as a number without its unit makes them', () => {
  const store = 'redis://127.0.0.1:6379';
  const small = parsePolicy({ store, requests: '1/s', guard: { body: 20 }, jobs: { body: '255B' } });
  expect(warningsOf(small)).toEqual([
    'guard.body is 20 bytes, and hardly a request is as small. With a unit it is more: guard: { body: 20MiB }.',
    'jobs.body is 255 bytes, and hardly a request is as small. With a unit it is more: jobs: { body: 255MiB }.',
  ]);
  expect(warningsOf(parsePolicy({ requests: '1/s', guard: { body: 256 } }))).toEqual([]);
});

it('has nothing to say where keys are declared, or nobody else gets in', () => {
  expect(warningsOf(withKeys, '0.0.0.0')).toEqual([]);
  for (const host of ['127.0.0.1', '::1', 'localhost']) expect(warningsOf(limited, host)).toEqual([]);
  const bounded = [
    ...[{ models: ['a'] }, { input: 100 }, { output: 100 }, { run: { depth: 3 } }, { limits: [{ requests: '1/s' }] }],
    { tiers: { a: { tokens: '1k/min' } } },
  ];
  for (const policy of bounded) {
    expect(warningsOf(parsePolicy(policy))).toEqual([]);
  }
});

it('warns of a header that is believed of whoever connects, where that may be anyone', () => {
  const believing = (trustProxy: unknown) =>
    parsePolicy({
      requests: '1/s',
      identity: [{ header: { name: 'x-user', trustProxy } }, { apiKey: { keys: { 'sk-1': { id: 'a' } } } }],
    });
  expect(warningsOf(believing(1), '0.0.0.0')).toEqual([
    expect.stringContaining('x-user is believed of whoever connects'),
  ]);
  expect(warningsOf(believing(1), '127.0.0.1')).toEqual([]);
  expect(warningsOf(believing('10.0.0.5'), '0.0.0.0')).toEqual([]);
});

it('warns where any web page may ask, of whoever is known by no key', () => {
  const identity = [{ apiKey: { keys: { 'sk-1': { id: 'a' } } } }];
  const open = { requests: '1/s', guard: { origins: ['*'] } };
  expect(warningsOf(parsePolicy(open))).toEqual([expect.stringContaining('any web page may ask')]);
  expect(warningsOf(parsePolicy({ ...open, identity }))).toEqual([]);
  expect(warningsOf(parsePolicy({ ...open, guard: { origins: ['https://*.example.com'] } }))).toEqual([]);
});

it('warns of what the policy says and nothing goes by, wherever it listens', () => {
  const policy = parsePolicy({ requests: '1/s', queue: { aging: '20s' } }, { file: 'headgate.yaml' });
  const told = [expect.stringMatching(/^headgate\.yaml: queue\.aging is "20s" and does nothing: .*`priority: strict`/)];
  expect(warningsOf(policy)).toEqual(told);
  expect(warningsOf(policy, '127.0.0.1')).toEqual(told);
});
