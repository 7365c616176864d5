/** What stands beside a policy, written by someone whose editor knows no types. */
import { describe, expect, test } from 'vitest';
import { createLimiter } from '../../../src/create-limiter.js';
import { HeadgateError } from '../../../src/kernel/errors.js';
import { MemoryStore } from '../../../src/store/memory.js';
import { VirtualClock } from '../../../src/testing/index.js';

const rules = { requests: '60/min' };
const limiter = createLimiter(rules, { dialects: [{} as never] });
const answer = async (): Promise<string> => 'yes';
const made = (options: unknown) => () => createLimiter(rules, options as object);
const wrapped = (options: unknown) => () => limiter.wrap(answer, options as never);

/** Each would be silently not made, or fail only when the first request comes. */
const wrong: readonly [what: string, call: () => unknown, message: string][] = [
  ['misspelt', made({ stroe: {} }), 'createLimiter has no option `stroe`; did you mean `store`?'],
  ['a rule', made({ tokens: '1/hour' }), 'createLimiter has no option `tokens`: it is a key of the policy'],
  ['unlike any', made({ zzz: 1 }), 'createLimiter has no option `zzz`; there are `store`, `countTokens`, `clock`,'],
  ['inherited by every object', made({ constructor: 1 }), 'createLimiter has no option `constructor`; there are'],
  [
    'an address where a store stands',
    made({ store: 'redis://:secret@h' }),
    'the option `store` of createLimiter is text; it has to be a store,',
  ],
  ['null', made({ clock: null }), 'the option `clock` of createLimiter is null; it has to be a clock,'],
  [
    'a number that counts',
    made({ countTokens: 3 }),
    'the option `countTokens` of createLimiter is a number; it has to be a function',
  ],
  ['one dialect', made({ dialects: {} }), 'the option `dialects` of createLimiter is a mapping; it has to be a list,'],
  ['no mapping', made('memory'), 'the options of createLimiter are text; they have to be a mapping of `store`,'],
  ['nothing to wrap by', wrapped(undefined), 'the option `describe` is missing: limiter.wrap(fn, { describe: '],
  [
    'a misspelt description',
    wrapped({ describ: () => ({}) }),
    'limiter.wrap has no option `describ`; did you mean `describe`?',
  ],
  [
    'a kind of its own',
    wrapped({ describe: () => ({}), returns: 'iterator' }),
    'it has to be `promise`, `iterable` or `stream`',
  ],
  [
    'of another call',
    wrapped({ describe: () => ({}), store: {} }),
    'limiter.wrap has no option `store`: it is one of createLimiter',
  ],
  [
    'around a handler',
    () => limiter.handler(() => new Response(), { mout: '/ai' } as object),
    'limiter.handler has no option `mout`; did you mean `mount`?',
  ],
  [
    'around fetch',
    () => limiter.fetch(fetch, { identiy: 'batch' } as object),
    'limiter.fetch has no option `identiy`; did you mean `identity`?',
  ],
];

describe('an option that is', () => {
  test.each(wrong)('%s is told where it is made', (_, call, message) => {
    const error = thrownBy(call);
    expect(error).toBeInstanceOf(HeadgateError);
    expect(error).toMatchObject({ code: 'HG_OPTIONS', message: expect.stringContaining(message) });
    expect(error.message).not.toContain('secret');
  });

  test('right, or left open, is taken', () => {
    const clock = new VirtualClock();
    const store = new MemoryStore(clock);
    expect(made({ store, clock, random: () => 0.5, probe: undefined, fetch: undefined })).not.toThrow();
    expect(wrapped({ describe: () => ({}), usage: undefined, returns: 'promise' })).not.toThrow();
  });
});

describe('an option among the rules', () => {
  const store = new MemoryStore(new VirtualClock());
  test.each<[policy: object, path: string, expected: string]>([
    [{ store }, 'store', 'none here: it stands beside the policy, as in `createLimiter(policy, { store })`'],
    [{ store: { configure: answer } }, 'store', '`createLimiter(policy, { store })`'],
    [{ countTokens: answer }, 'countTokens', '`createLimiter(policy, { countTokens })`'],
    [
      { identify: answer },
      'identify',
      'none here: it is an option of adapters, such as `ollamaLimiter(policy, { identify })`',
    ],
    [{ idenitfy: answer }, 'idenitfy', 'did you mean the option `identify`?'],
  ])('%# is told where it belongs', (policy, path, expected) => {
    const problems = [expect.objectContaining({ path, expected: expect.stringContaining(expected) })];
    expect(thrownBy(() => createLimiter({ ...rules, ...policy }))).toMatchObject({ code: 'HG_POLICY', problems });
  });

  test('that is a rule as well stays one', () => {
    expect(thrownBy(() => createLimiter({ ...rules, store: { redis: 3 } }))).toMatchObject({
      problems: [expect.objectContaining({ path: 'store.redis' })],
    });
  });
});

function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

test.each([
  ['request-refuesd', () => {}, 'there is no event `request-refuesd`; did you mean `request-refused`?'],
  ['refusal', () => {}, 'there is no event `refusal`; there are `request-admitted`, `request-refused`'],
  ['toString', () => {}, 'there is no event `toString`'],
  ['request-refused', undefined, 'the listener for `request-refused` is nothing; it has to be a function'],
])('nobody listens in vain: on(%j)', (name, listener, message) => {
  const limiter = createLimiter({ requests: '1/s' });
  const listen = () => limiter.on(name as 'request-refused', listener as () => void);
  expect(listen).toThrow(message);
  expect(listen).toThrow(expect.objectContaining({ code: 'HG_OPTIONS' }));
});
