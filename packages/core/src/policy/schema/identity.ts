/** `identity`: how it is found out who asks. */
import { z } from 'zod';
import { readNetwork } from '../../kernel/ip.js';
import { priorities } from '../../model.js';
import type { KeyPlace } from '../policy.js';
import { fault, isFault, type Read } from '../read.js';
import { nearest } from '../spelling.js';
import { readNumber, readPeriod } from '../unit.js';
import {
  count,
  countOrZero,
  durationOrZero,
  filledList,
  filledText,
  oneOrMore,
  section,
  text,
  weight,
  word,
  written,
} from './leaf.js';

const placeExpected = '`authorization`, `x-api-key`, `path` or `header:<name>`';
const place = text((input): Read<KeyPlace> => {
  const given = input.trim().toLowerCase();
  if (given === 'authorization' || given === 'x-api-key' || given === 'path') return { value: given };
  const header = /^header:([!#$%&'*+.^_`|~0-9a-z-]+)$/.exec(given);
  if (header === null) return fault(placeExpected, nearest(given, ['authorization', 'x-api-key', 'path']));
  return { value: `header:${header[1]!}` };
}, placeExpected);

const newNames = written((input): Read<{ amount: number; periodMs: number }> => {
  const [amountText = '', periodText, rest] = String(input).split('/');
  const amount = readNumber(amountText);
  const period = readPeriod(periodText ?? '');
  if (isFault(amount) || !Number.isInteger(amount.value) || amount.value < 1 || isFault(period) || rest !== undefined) {
    return fault('a whole amount and a period, such as `1000/hour`');
  }
  return { value: { amount: amount.value, periodMs: period.value.ms } };
}, 'a whole amount and a period, such as `1000/hour`');

/** An id goes into headers, logs and metrics. */
export const identityId = text(
  (input): Read<string> =>
    /^[\x21-\x7e]{1,128}$/.test(input)
      ? { value: input }
      : fault('a name without spaces, such as `team-a`; it is shown in logs'),
  'a name without spaces, such as `team-a`; it is shown in logs',
);

const tierName = z.string({ error: () => 'the name of a tier' });

export const keySchema = section(
  {
    id: identityId.describe('What logs and metrics see; never a secret'),
    tier: tierName.optional(),
    weight: weight.optional().describe('Share of the backends relative to others; 1 unless said'),
    priority: word(priorities).optional(),
  },
  'a mapping such as `{ id: team-a, tier: free }`',
);

export const apiKeySchema = section(
  {
    from: oneOrMore(place, placeExpected).optional().describe('Where a key may stand; the first that holds one counts'),
    unknown: word(['refuse', 'ignore', 'accept']).optional().describe('What a key that is not declared means'),
    newNames: newNames.optional().describe('New names one address may bring, when unknown keys are names'),
    tier: tierName.optional().describe('Tier of the keys that name none'),
    keys: z
      .record(z.string(), keySchema, {
        error: () => 'a mapping of keys to who they are, such as `sk-...: { id: team-a, tier: free }`',
      })
      .optional()
      .describe('The key itself, `sha256:` and 64 hex digits, or a variable of the environment'),
  },
  'a mapping such as `{ from: [authorization, x-api-key], keys: { ... } }`',
);

const webAddress = text((input): Read<string> => {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  return url?.protocol === 'https:' || url?.protocol === 'http:'
    ? { value: input }
    : fault('an address such as `https://idp.example/jwks`');
}, 'an address such as `https://idp.example/jwks`');

/** Never a name. */
const keyHeaders: readonly string[] = ['authorization', 'x-api-key', 'cookie', 'proxy-authorization'];
const headerNameExpected = 'the name of a header, such as `x-openwebui-user-id`';

const claim = filledText('the name of a claim, such as `sub`');
const someText = filledText('text that is not empty');

export const jwtSchema = section(
  {
    jwks: webAddress.describe('Where the keys that sign the tokens are'),
    issuer: someText.optional(),
    audience: someText.optional(),
    id: claim.optional().describe('Claim that names the identity; sub unless said'),
    tier: claim.optional().describe('Claim that names the tier'),
    clockTolerance: durationOrZero.optional().describe('How far the clocks may be apart; 30s unless said'),
  },
  'a mapping such as `{ jwks: https://idp.example/jwks, id: sub }`',
);

const headerName = text((input): Read<string> => {
  const name = input.trim().toLowerCase();
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return fault(headerNameExpected);
  return keyHeaders.includes(name)
    ? fault('a header that names a user; keys are read by `apiKey` and `jwt`')
    : { value: name };
}, headerNameExpected);

const peersExpected =
  'the addresses of the proxies, such as `10.0.0.5` or `[10.0.0.0/8, fd00::/8]`, or how many there are in front';
const peer = text(
  (input): Read<string> => (readNetwork(input.trim()) === undefined ? fault(peersExpected) : { value: input.trim() }),
  peersExpected,
);
const trustProxy = z.union([z.number().int().min(1).max(16), oneOrMore(peer, peersExpected)], {
  error: () => peersExpected,
});

export const headerSchema = section(
  {
    name: headerName.describe('The header in which a server in front names its user'),
    trustProxy: trustProxy.describe('Whose word it is: addresses of the proxies, or how many there are in front'),
    tier: tierName.optional(),
  },
  'a mapping such as `{ name: x-openwebui-user-id, trustProxy: 10.0.0.5 }`',
);

export const addressSchema = section(
  {
    trustProxy: countOrZero.optional().describe('Proxies in front whose X-Forwarded-For entries are believed'),
    ipv6Prefix: count
      .refine((bits) => bits <= 128, { error: () => 'the length of an IPv6 prefix, 1 to 128, such as `64`' })
      .optional(),
    tier: tierName.optional(),
  },
  'a mapping such as `{ trustProxy: 1, tier: free }`',
);

/** `- address:` with nothing after it is read as all its defaults. */
const orEmpty = <S extends z.ZodType>(schema: S) =>
  z.union([schema, z.null()], { error: () => 'a mapping of keys to values' }).optional();

const sourceExpected = 'one of `apiKey: { ... }`, `jwt: { ... }`, `header: { ... }` and `address: { ... }`';

export const sourceSchema = section(
  {
    apiKey: orEmpty(apiKeySchema),
    jwt: orEmpty(jwtSchema),
    header: orEmpty(headerSchema),
    address: orEmpty(addressSchema),
  },
  sourceExpected,
).refine((source) => Object.keys(source).length === 1, { error: () => `exactly ${sourceExpected}` });

export const identitySchema = filledList(
  sourceSchema,
  'a list of sources, such as `- address: {}`',
  'at least one source, such as `- address: {}`',
);
