/** Texts that people write: policy files, and what clients put into the lines of the log. */
import { HeadgateError } from '@headgate/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { holds } from '../../../../test/support/seeds.js';
import { wholeEnvironment, wholePolicy } from '../../../core/test/unit/policy/whole-policy.js';
import { ollamaHostUrl } from '../../src/config/ollama-host.js';
import { parsePolicyText } from '../../src/config/policy-file.js';
import type { RequestRecord } from '../../src/exchange/record.js';
import { combinedLine, prettyLine, withoutKey } from '../../src/log/lines.js';

const written = stringify(wholePolicy);
const lines = written.split('\n');
/** What slips into a file that is edited by hand. */
const slips = fc.oneof(
  fc.constantFrom(
    ...['\t', '---\n', '- ', ': ', '&a ', '*a', '<<: *a\n', '!!js/function ', '? ', '|', '>', '#', "'", '"', '{', '['],
    ...[
      '%YAML 9.9\n',
      '!!binary aGk=',
      '\ufeff',
      '\0',
      '~',
      '.nan',
      '.inf',
      '0x10',
      '2026-01-01',
      '${',
      `$${'{NONE}'}`,
      '$',
    ],
  ),
  fc.string({ maxLength: 4 }),
);
const edits = fc.array(
  fc.oneof(
    fc.record({ at: fc.nat(written.length), slip: slips, removed: fc.nat(3) }),
    fc.record({ line: fc.nat(lines.length - 1), twice: fc.boolean() }),
    fc.record({ line: fc.nat(lines.length - 1), indent: fc.constantFrom('', ' ', '    ') }),
  ),
  { minLength: 1, maxLength: 3 },
);
type Edit = typeof edits extends fc.Arbitrary<(infer One)[]> ? One : never;

function edited(text: string, edit: Edit): string {
  if ('at' in edit) return text.slice(0, edit.at) + edit.slip + text.slice(edit.at + edit.removed);
  const all = text.split('\n');
  const line = all[edit.line] ?? '';
  const instead = 'twice' in edit ? (edit.twice ? [line, line] : []) : [edit.indent + line.trimStart()];
  all.splice(edit.line, 1, ...instead);
  return all.join('\n');
}

/** Keys that stand in the policy or in the environment. */
const secrets = ['sk-admin-key-001', ...Object.values(wholeEnvironment)];

test('a policy file that was edited by accident is read or refused in a sentence, and tells no key', async () => {
  let [read, refused] = [0, 0];
  await holds(
    fc.property(edits, (changes) => {
      const text = changes.reduce(edited, written);
      try {
        parsePolicyText(text, 'headgate.yaml', wholeEnvironment);
        read += 1;
      } catch (error) {
        refused += 1;
        expect(error).toBeInstanceOf(HeadgateError);
        const { message } = error as HeadgateError;
        expect(message).toContain('headgate.yaml');
        expect(message).not.toMatch(/undefined|\[object|Invalid input/);
        // What an edit tore apart is no key any more.
        for (const secret of secrets) expect(message).not.toContain(secret);
      }
    }),
    { runs: 150 },
  );
  expect(read).toBeGreaterThan(10);
  expect(refused).toBeGreaterThan(50);
});

test('OLLAMA_HOST is an address or a mistake that is named, whatever it is set to', () =>
  holds(
    fc.property(
      fc.array(
        fc.oneof(
          fc.constantFrom('http://', 'https://', ':', '//', '[::1]', '127.0.0.1', 'host', '11434', '99999', '/', '@'),
          fc.string({ maxLength: 4 }),
        ),
        { maxLength: 6 },
      ),
      (parts) => {
        let url: string;
        try {
          url = ollamaHostUrl(parts.join(''));
        } catch (error) {
          expect((error as Error).message).toMatch(/OLLAMA_HOST|backend/i);
          return;
        }
        expect(['http:', 'https:']).toContain(new URL(url).protocol);
      },
    ),
    { runs: 500 },
  ));

const record: RequestRecord = {
  ...{ startedAt: 0, startedMs: 0, method: 'POST', httpVersion: '1.1', target: '/', referer: '', userAgent: '' },
  ...{ peer: '192.0.2.1', tries: 0, bytes: 0 },
};
/** As bytes of a head arrive: one character each. */
const latin = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) });

describe('a line of the log', () => {
  test('is one line of printable characters with its fields in their places, whatever clients send', () =>
    holds(
      fc.property(latin, latin, latin, (target, referer, userAgent) => {
        const line = combinedLine({ ...record, target, referer, userAgent });
        expect(line).toMatch(/^192\.0\.2\.1 - - \[[^\]]+\] "[ !#-~]*" 499 0 "[ !#-~]*" "[ !#-~]*" - - - -$/);
        const about = { requestId: 'req_1', path: '/', dialect: 'ollama', address: '192.0.2.1', model: referer };
        expect(prettyLine({ ...record, target, about })).not.toMatch(/\p{Cc}/u);
      }),
      { runs: 500 },
    ));

  test('tells no key, however its place in the path is spelt', () => {
    const slash = fc.constantFrom('/', '%2f', '%2F', '//', '/./', '%2f/');
    const k = fc.constantFrom('k', '%6b', '%6B');
    const before = fc.constantFrom('', 'http://x.example', 'http://u:sk-secret@x.example', '/api', '/..');
    return holds(
      fc.property(before, slash, k, slash, slash, (host, first, letter, second, third) => {
        const target = `${host}${first}${letter}${second}sk-secret${third}api/chat?key=sk-secret#sk-secret`;
        expect(withoutKey(target)).not.toContain('sk-secret');
      }),
      { runs: 500 },
    );
  });
});
