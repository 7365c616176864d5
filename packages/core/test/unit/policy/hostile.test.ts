import { describe, expect, test } from 'vitest';
import { PolicyError, parsePolicy } from '../../../src/policy/parse.js';

const secret = 'sk-not-to-be-seen';
const throwing = (): never => {
  throw new Error(secret);
};

class Settings {
  get requests() {
    return '60/min';
  }
}

const endless = 'more values than that';

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** What only code can make: each throws, lies or never ends when it is touched in some way. `got` is what the report calls it. */
const hostile: readonly [name: string, make: () => unknown, got: string][] = [
  ['a symbol', () => Symbol('s'), 'a symbol'],
  ['a function', () => throwing, 'a function'],
  ['a date', () => new Date(0), 'a Date'],
  ['a map', () => new Map([['requests', '1/s']]), 'a Map'],
  ['an instance with accessors', () => new Settings(), 'a mapping made by a class'],
  ['a mapping that inherits its keys', () => Object.create({ requests: '1/s' }), 'a mapping made by a class'],
  ['a revoked mapping', () => revoked({}), 'a value that throws when it is read'],
  ['a revoked list', () => revoked([]), 'a value that throws when it is read'],
  ['a proxy without keys', () => new Proxy({}, { ownKeys: throwing }), 'a value that throws when it is read'],
  ['an endless list', () => new Proxy([1], { get: (list, key) => (key === 'length' ? 1e15 : list[0]) }), endless],
  ['a list of no length', () => new Proxy([1], { get: () => Symbol('n') }), 'a value that throws when it is read'],
];

describe('a policy made in code that holds', () => {
  test.each(hostile)('%s is refused at its place, in words', (_, make, got) => {
    for (const [place, input] of [
      ['(top)', make()],
      ['identity', { identity: make() }],
      ['tiers.free', { tiers: { free: make() } }],
      ['limits[0]', { limits: [make()] }],
      ['limits[0].match', { limits: [{ requests: '1/s', match: make() }] }],
      ['requests', { requests: make() }],
      ['backends[0]', { backends: [make()] }],
    ] as const) {
      const error = problemsOf(input);
      expect(error.problems, place).toContainEqual(
        expect.objectContaining({ path: got === endless ? '(top)' : place, value: got, got }),
      );
      expect(error.message).not.toContain(secret);
    }
  });

  test('a getter that throws is refused at its key, and what it threw is not shown', () => {
    const input = Object.defineProperty({}, 'requests', { get: throwing, enumerable: true });
    const { problems, message } = problemsOf(input);
    expect(problems.map(({ path }) => path)).toEqual(['requests']);
    expect(message).not.toContain(secret);
  });

  test('mappings that cannot be made text, wherever a length, a number or a word is looked for', () => {
    const word = { valueOf: 1, toString: 1 };
    for (const input of [
      { identity: { length: word } },
      { identity: { length: Symbol('s') } },
      { alerts: [{ webhook: 'http://h', on: { length: word } }] },
      { log: { access: { length: word } } },
      { pool: { retry: { on: word } } },
      { pool: { retry: { on: [word] } } },
      { backends: [{ url: 'http://h', weight: word }] },
      { store: word, mode: word, listen: word },
    ]) {
      expect(problemsOf(input).problems.length).toBeGreaterThan(0);
    }
  });

  test('lists that hold each other many times over', () => {
    let list: unknown[] = ['1/s'];
    for (let level = 0; level < 30; level++) list = [list, list, list];
    expect(problemsOf({ requests: list }).problems).toMatchObject([{ path: '(top)', got: endless }]);
  });
});

test('a value is read once: a getter cannot show the check one limit and the limiter another', () => {
  let reads = 0;
  const input = Object.defineProperty({}, 'requests', {
    get: () => (++reads === 1 ? '7/min' : '1000/s'),
    enumerable: true,
  });
  expect(parsePolicy(input).tiers.default?.limits).toMatchObject([{ amount: 7, periodMs: 60_000 }]);
  expect(reads).toBe(1);
});

test('mappings without a prototype are as good as any', () => {
  const input = Object.assign(Object.create(null), { requests: '7/min' });
  expect(parsePolicy(input).tiers.default?.limits).toMatchObject([{ amount: 7 }]);
});

function problemsOf(input: unknown): PolicyError {
  try {
    parsePolicy(input);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    return error as PolicyError;
  }
  throw new Error('the policy was accepted');
}
