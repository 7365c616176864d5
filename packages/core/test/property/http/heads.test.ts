/** What stands in the head of a request: its target, its addresses, its run; and the heads that are answered. */
import { validateHeaderValue } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../../test/support/seeds.js';
import { goDuration, limitHeaders, mergeHeaders, retryHeaders } from '../../../src/http/headers.js';
import { runOf } from '../../../src/http/run-headers.js';
import { pathOf } from '../../../src/http/target.js';
import { canonicalAddress, clientAddress } from '../../../src/identity/address.js';
import type { LimitState } from '../../../src/model.js';
import { refuse } from '../../../src/refusal.js';

/** As Node has a target: one character a byte, no spaces and nothing below them. */
const pieces = fc.constantFrom(
  ...['/', '//', '.', '..', 'api', 'chat', 'v1', 'k', ';', '?', '#', '\\', ':', '@', '*', '+', '&', '=', '\u00e9', '~'],
  ...['%2e', '%2E', '%2f', '%5c', '%00', '%', '%4', '%zz', '%c3%a9', '%ff', '%0a', '%7f', '%25', '%252f', '%3f', '%23'],
  ...['http://', 'HTTPS://', 'x.example', '[::1]', 'ftp:'],
);
const target = fc.oneof(
  fc.array(pieces, { maxLength: 10 }).map((parts) => `/${parts.join('')}`),
  fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join('')),
);

describe('a target', () => {
  test('is read as browsers and servers of the URL standard read it, or not at all', async () => {
    let read = 0;
    await holds(
      fc.property(target, (text) => {
        const path = pathOf(text);
        if (path === undefined) return;
        expect(path.startsWith('/')).toBe(true);
        expect(path).not.toMatch(/\/\/|\\|(^|\/)\.{1,2}(\/|$)/);
        if (text === '*') return;
        read += 1;
        expect(decodeURIComponent(new URL(text.startsWith('/') ? `http://x${text}` : text).pathname)).toBe(path);
      }),
      {
        runs: 3_000,
        examples: [['http:///api/chat'], ['ftp://x/api'], ['http://x?/api'], ['api/chat'], ['http://x;/a']],
      },
    );
    expect(read).toBeGreaterThan(500);
  });

  test('that was read once is the same when it is sent on and read again', () =>
    holds(
      fc.property(target, (text) => {
        const path = pathOf(text);
        // A percent sign that is left after decoding is one more layer, which nobody behind may undo.
        if (path !== undefined) expect(pathOf(encodeURI(path).replace(/[?#]/g, encodeURIComponent))).toBe(path);
      }),
      { runs: 2_000 },
    ));
});

const v4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const group = fc.integer({ min: 0, max: 0xffff });
const v6 = fc.array(group, { minLength: 8, maxLength: 8 }).filter((groups) => groups.slice(0, 5).some(Boolean));
const v6Text = (groups: readonly number[]): string => groups.map((one) => one.toString(16)).join(':');
const junk = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('unknown', '_hidden', '', '10.0.0.1:80', '[::1', '::ffff:1.2.3.4%x', ',', '1.2.3.4,'),
);

describe('an address', () => {
  test('of IPv4 has one name in all its spellings', () =>
    holds(
      fc.property(v4, fc.nat(65_535), ([a, b, c, d], port) => {
        const plain = `${a}.${b}.${c}.${d}`;
        const hex = `::ffff:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
        const spellings = [plain, ` ${plain} `, `${plain}:${port}`, `::ffff:${plain}`, hex, `[${hex}]:${port}`];
        for (const one of [...spellings, `${hex}%eth0`]) expect(canonicalAddress(one, 64), one).toBe(plain);
      }),
    ));

  test('of IPv6 is the same client within its prefix, and another outside of it', () =>
    holds(
      fc.property(v6, v6, fc.integer({ min: 1, max: 128 }), (mine, theirs, prefix) => {
        const bits = (groups: readonly number[]): string =>
          groups
            .map((one) => one.toString(2).padStart(16, '0'))
            .join('')
            .slice(0, prefix);
        const [one, other] = [mine, theirs].map((groups) => canonicalAddress(v6Text(groups), prefix));
        expect(one === other).toBe(bits(mine) === bits(theirs));
        expect(canonicalAddress(v6Text(mine).toUpperCase(), prefix)).toBe(one);
      }),
      { examples: [[[1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 1], 127]] },
    ));

  test('that proxies report does not depend on anything that a client wrote before it', () =>
    holds(
      fc.property(
        fc.array(junk, { maxLength: 5 }),
        fc.array(fc.ipV4(), { minLength: 1, maxLength: 3 }),
        (forged, hops) => {
          const said = clientAddress('10.0.0.1', hops.join(', '), hops.length, 64);
          expect(said).toBe(hops[0]);
          expect(clientAddress('10.0.0.1', [...forged, ...hops].join(', '), hops.length, 64)).toBe(said);
          expect(clientAddress('10.0.0.1', [...forged, hops.join(',')], hops.length, 64)).toBe(said);
        },
      ),
    ));

  test('is an address or the peer, whatever the header holds', () =>
    holds(
      fc.property(fc.array(junk, { maxLength: 4 }), fc.integer({ min: 0, max: 4 }), (header, trusted) => {
        const address = clientAddress('192.0.2.1', header, trusted, 64);
        expect(address).toMatch(/^[0-9a-f.:]+(\/64)?$/);
        if (trusted === 0) expect(address).toBe('192.0.2.1');
      }),
      { runs: 500 },
    ));
});

test('a run is a short name without spaces and a depth that counts, or a refusal', () => {
  const value = fc.oneof(
    fc.string({ maxLength: 140 }),
    fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }),
    fc.constantFrom(undefined, '', '0', '12', '-1', '1e3', '99999', ' 1'),
  );
  return holds(
    fc.property(value, value, (id, depth) => {
      const run = runOf({ 'x-run-id': id, 'x-run-depth': depth });
      if (run === undefined) expect([id, depth]).toEqual([undefined, undefined]);
      else if ('reason' in run) expect(run.status).toBe(400);
      else {
        expect(run.id).toMatch(/^[!-~]{1,128}$/);
        expect(Number.isInteger(run.depth) && run.depth >= 0 && run.depth <= 9999).toBe(true);
      }
    }),
    { runs: 500 },
  );
});

/** Names that a policy may give a limit, and those that it may not: a header must be one either way. */
const name = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('free.requests.min', '"', '\\', '\r\n', 'ü', '\0'));
const amount = fc.oneof(fc.nat(), fc.double({ min: -1e9, max: 1e15, noNaN: true }));
const ms = fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e13, noNaN: true }));
const state: fc.Arbitrary<LimitState> = fc.record({
  name,
  measure: fc.constantFrom('requests', 'tokens', 'concurrency', 'cost', 'gpuSeconds'),
  limit: fc.double({ min: 0.001, max: 1e12, noNaN: true }),
  remaining: amount,
  resetMs: ms,
  nextMs: ms,
  periodMs: ms,
  mode: fc.constantFrom('enforce', 'shadow'),
}) as fc.Arbitrary<LimitState>;
const endless = { resetMs: 0, nextMs: 0, periodMs: 0 };
/** A member of a structured field's list: a string with integers, decimals and strings as parameters (RFC 9651). */
const member = String.raw`"(?:[ !#-\[\]-~]|\\["\\])*"(?:;[a-z]+=(?:-?\d{1,15}|"[a-z-]+"))+`;
const list = new RegExp(`^${member}(?:, ${member})*$`);

describe('headers of answers', () => {
  test('are headers, and RateLimit is a structured field, whatever limits are called and wherever they stand', () =>
    holds(
      fc.property(fc.array(state, { maxLength: 12 }), fc.boolean(), (states, isOpenai) => {
        const headers = limitHeaders(states, ['ietf', 'legacy', 'openai'], 1_790_000_000_000, isOpenai);
        for (const [header, value] of Object.entries(headers)) validateHeaderValue(header, value);
        if (states.every(({ mode }) => mode === 'shadow')) expect(headers).toEqual({});
        else {
          expect(headers.ratelimit).toMatch(list);
          expect(headers['ratelimit-policy']).toMatch(list);
        }
      }),
      {
        runs: 1_000,
        examples: [
          [
            [{ ...{ name: 'spend', measure: 'cost', limit: 1e12, remaining: 1e12, mode: 'enforce' }, ...endless }],
            false,
          ],
        ],
      },
    ));

  test('say when to come back in whole seconds of at least one, or that there is no coming back', () =>
    holds(
      fc.property(fc.option(ms, { nil: undefined }), (retryAfterMs) => {
        const headers = retryHeaders(refuse('limit', 'x', retryAfterMs === undefined ? {} : { retryAfterMs }));
        if (retryAfterMs === undefined) expect(headers).toEqual({ 'x-should-retry': 'false' });
        else {
          expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
          expect(headers['retry-after-ms']).toMatch(/^[1-9]\d*$/);
          expect(Number(headers['retry-after']) * 1000).toBeGreaterThanOrEqual(retryAfterMs);
        }
      }),
    ));

  test('give durations that mean what they say', () => {
    const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
    return holds(
      fc.property(ms, (length) => {
        const text = goDuration(length);
        expect(text).toMatch(/^(\d+h)?(\d+m)?\d+(\.\d+)?(s|ms)$/);
        const parts = [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)];
        const meant = parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit!]!, 0);
        expect(Math.round(meant)).toBe(Math.ceil(length));
      }),
    );
  });

  test('beside those of another limiter keep both of the lists', () => {
    const text = fc.string({ maxLength: 6 });
    return holds(
      fc.property(fc.dictionary(fc.constantFrom('ratelimit', 'x-ratelimit-remaining'), text), text, (theirs, ours) => {
        const merged = mergeHeaders((header) => theirs[header], { ratelimit: ours, 'x-ratelimit-remaining': '3' });
        expect(merged.ratelimit).toContain(ours);
        if (theirs.ratelimit !== undefined) expect(merged.ratelimit).toContain(theirs.ratelimit);
      }),
    );
  });
});
