import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../../test/support/seeds.js';
import { readAmount } from '../../../src/policy/amount.js';
import { numberWords } from '../../../src/policy/describe.js';
import { PolicyError, parsePolicy, policySchema } from '../../../src/policy/parse.js';
import type { Policy } from '../../../src/policy/policy.js';
import { policyShape } from '../../../src/policy/schema/policy.js';
import { readBytes, readDuration, readNumber, unitMs } from '../../../src/policy/unit.js';
import { wholeEnvironment, wholePolicy } from '../../unit/policy/whole-policy.js';

type Path = readonly (string | number)[];

/** Every place of a right policy. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return [path, ...keys.flatMap((key) => placesOf(value[key as keyof typeof value], [...path, key]))];
}

function withValue(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  Object.assign(copy, { [key]: withValue((value as Record<string | number, unknown>)[key], rest, replacement) });
  return copy;
}

const secrets = ['sk-admin-key-001', ...Object.values(wholeEnvironment)];

/** Words that get a random mapping past the first check of its keys. */
const words = [
  ...Object.keys(policyShape),
  ...['apiKey', 'jwt', 'address', 'from', 'id', 'url', 'slots', 'match', 'not', 'operation', 'model', 'per', 'limit'],
  ...['burst', 'name', 'free', 'default', '*', '0', ''],
  ...['__proto__', 'constructor', 'toString', 'valueOf', 'toJSON', 'then', 'length', 'size'],
];
const scalars = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, 0, 1, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 10n),
  fc.constantFrom('60/min', '60/min burst 10', '10r/m burst=3', '$5/day', '30s', '5', 'all', 'default', 'free', '*'),
  fc.constantFrom(
    'http://h',
    'http://u:p@h',
    'chat',
    '$'.concat('{'),
    '$'.concat('{}'),
    '$'.concat('{HOME}'),
    'redis://h',
    '50%',
    '20MiB',
    '/',
    'UTC',
  ),
  fc.string(),
  fc.double(),
  fc.constantFrom<unknown>({ valueOf: 1, toString: 1 }, new Date(0), /x/, () => 1, Symbol('s'), new Map([[1, 2]])),
);
const { anything } = fc.letrec<{ anything: unknown }>((tie) => ({
  anything: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    scalars,
    fc.array(tie('anything'), { maxLength: 4 }),
    fc
      .array(
        fc.tuple(
          fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...words) }, { weight: 1, arbitrary: fc.string() }),
          tie('anything'),
        ),
        { maxLength: 6 },
      )
      .map((entries) => Object.fromEntries(entries)),
  ),
}));

describe('whatever it is given', () => {
  test('parsePolicy returns a policy or throws a PolicyError with a problem', async () => {
    let accepted = 0;
    await holds(
      fc.property(anything, (input) => {
        let policy: Policy;
        try {
          policy = parsePolicy(input);
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
          const { problems, message } = error as PolicyError;
          expect(problems.length).toBeGreaterThan(0);
          for (const { path, expected } of problems) {
            expect(message).toContain(`${path}\n`);
            expect(expected).not.toBe('');
          }
          expect(message).not.toMatch(/Invalid input|Unrecognized|another kind of value/);
          return;
        }
        accepted++;
        expect(policySchema.safeParse(input).success).toBe(true);
        expect(policy.tiers.default).toBeDefined();
      }),
      { runs: 1500, examples: [[{ constructor: [{ listen: `\${HOME}` }] }], [{ toString: { valueOf: 1 } }]] },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  test('a right policy with one or two places spoilt is read or refused, and tells no secret', async () => {
    const place = fc.constantFrom(...placesOf(wholePolicy));
    let refused = 0;
    await holds(
      fc.property(fc.array(fc.tuple(place, anything), { minLength: 1, maxLength: 2 }), (spoilt) => {
        const input = spoilt.reduce<unknown>((policy, [path, value]) => {
          return placesOf(policy).some((known) => String(known) === String(path))
            ? withValue(policy, path, value)
            : policy;
        }, wholePolicy);
        try {
          parsePolicy(input, { env: wholeEnvironment });
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
          const told = (error as PolicyError).message;
          for (const secret of secrets) expect(told).not.toContain(secret);
          expect(told).not.toMatch(/Invalid input|Unrecognized|another kind of value|another value/);
          refused++;
        }
      }),
      {
        runs: 700,
        examples: [
          [[[['identity'], { length: Symbol('s') }]]],
          [[[['identity'], { length: { valueOf: 1, toString: 1 } }]]],
        ],
      },
    );
    expect(refused).toBeGreaterThan(500);
  });

  test('a list that holds itself is a problem, not an endless walk', () => {
    const ring: unknown[] = [];
    ring.push(ring);
    const match: Record<string, unknown> = {};
    match.not = match;
    for (const input of [{ limits: ring }, { limits: [{ match, requests: '1/s' }] }, ring]) {
      expect(() => parsePolicy(input)).toThrow(PolicyError);
    }
  });
});

const periods = fc.record({
  count: fc.option(fc.integer({ min: 1, max: 120 }), { nil: undefined }),
  unit: fc.constantFrom('s', 'm', 'min', 'h', 'hour', 'd', 'day'),
});
const lengths: Record<string, number> = { ...unitMs, m: unitMs.min, h: unitMs.hour, d: unitMs.day };

describe('amounts mean what they say', () => {
  test('requests: every amount, period and burst', async () => {
    await holds(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        periods,
        fc.option(fc.integer({ min: 1, max: 1e6 })),
        (amount, { count, unit }, burst) => {
          const text = `${amount}/${count ?? ''}${unit}${burst === null ? '' : ` burst ${burst}`}`;
          expect(readAmount(text, 'requests')).toMatchObject({
            value: {
              algorithm: 'token-bucket',
              amount,
              capacity: burst ?? amount,
              periodMs: (count ?? 1) * lengths[unit]!,
            },
          });
        },
      ),
    );
  });

  test('tokens: rolling below a day or said so, calendar for one day', async () => {
    await holds(
      fc.property(fc.integer({ min: 1, max: 1e12 }), periods, fc.boolean(), (amount, { count, unit }, rolling) => {
        const text = `${numberWords(amount)}/${count ?? ''}${unit}${rolling ? ' rolling' : ''}`;
        const day = (unit === 'd' || unit === 'day') && (count ?? 1) === 1;
        expect(readAmount(text, 'tokens')).toMatchObject({
          value: { algorithm: day && !rolling ? 'calendar' : 'rolling', amount, capacity: amount },
        });
      }),
    );
  });

  test("nginx's spelling: one more than its burst at once, and only then a wait", async () => {
    await holds(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.constantFrom('s', 'm'),
        fc.nat(1000),
        fc.option(fc.nat(1000)),
        (amount, unit, burst, delay) => {
          const read = readAmount(
            `${amount}r/${unit} burst=${burst}${delay === null ? '' : ` delay=${delay}`}`,
            'requests',
          );
          const expected = { amount, capacity: burst + 1, periodMs: unit === 's' ? 1000 : 60_000 };
          expect(read).toMatchObject({ value: expected });
          const after = (read as { value: { delay?: { after: number } } }).value.delay?.after;
          expect(after).toBe((delay ?? 0) >= burst ? undefined : (delay ?? 0) + 1);
        },
      ),
    );
  });

  test('numbers in words are read back as the same number', async () => {
    await holds(
      fc.property(
        fc.oneof(
          fc.nat(),
          fc.nat(1e5).map((n) => n * 100),
          fc.nat(1e5).map((n) => n * 1e5),
        ),
        (value) => {
          expect(readNumber(numberWords(value))).toEqual({ value });
        },
      ),
    );
  });

  test('durations and sizes in every unit', async () => {
    await holds(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom('ms', 's', 'min', 'hour', 'day', 'week'),
        (count, unit) => {
          expect(readDuration(`${count}${unit}`)).toEqual({ value: count * lengths[unit]! });
        },
      ),
    );
    await holds(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom(['KiB', 2 ** 10], ['MiB', 2 ** 20], ['GiB', 2 ** 30]),
        (count, [unit, size]) => {
          expect(readBytes(`${count}${unit}`)).toEqual({ value: count * Number(size) });
        },
      ),
    );
  });
});
