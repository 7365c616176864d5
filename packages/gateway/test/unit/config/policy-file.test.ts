import { HeadgateError, PolicyError } from '@headgate/core';
import { describe, expect, it } from 'vitest';
import { parsePolicyText, readPolicyFile } from '../../../src/config/policy-file.js';
import { fileWith } from '../../support/program.js';

/** Where the one problem of a policy is reported. */
function placeOf(text: string): string {
  try {
    parsePolicyText(text, 'f.yaml');
  } catch (error) {
    if (error instanceof PolicyError) {
      return error.problems.map(({ path, line, column }) => `${line}:${column} ${path}`).join(', ');
    }
    if (error instanceof HeadgateError) return error.message;
  }
  return 'no problem';
}

describe('the place of a problem', () => {
  it('is that of the key, however deep', () => {
    expect(placeOf('requests: 60/min\nqueue:\n  depth: -1\n')).toBe('3:3 queue.depth');
    expect(placeOf('queue: { depth: 10, wait: soon }\n')).toBe('1:21 queue.wait');
  });

  it('is that of the entry in a list', () => {
    expect(placeOf('limits:\n  - { name: a, requests: 1/min }\n  - { name: b, requests: 1/fortnight }\n')).toBe(
      '3:16 limits[1].requests',
    );
    expect(placeOf('backends:\n  - http://127.0.0.1:1\n  - nowhere\n')).toBe('3:5 backends[1]');
  });

  it('is that of a misspelt key', () => {
    expect(placeOf('requests: 60/min\nqueu: { depth: 1 }\n')).toBe('2:1 queu');
  });

  it('is found behind an anchor', () => {
    expect(placeOf('tiers:\n  a: &tier\n    requests: 1/fortnight\n  b: *tier\n')).toContain('3:5 tiers.a.requests');
  });

  it('is the first where the text is no YAML', () => {
    expect(placeOf('requests: 60/min\nlimits: [ { name: a\n')).toMatch(/^f\.yaml:[23]:\d+: /);
  });
});

it.each([
  ['requests: 60/min\nrequests: 50/min\n', 'f.yaml:2:1: this key stands twice in its mapping; keep one of the two'],
  ['a: 1\n---\nb: 2\n', 'f.yaml:2:1: a second document begins here, and a policy is one; remove the `---`'],
  ['queue:\n\tdepth: 3\n', 'f.yaml:2:1: a tab as indentation; YAML takes spaces only'],
  ['requests: !vault x\n', 'f.yaml:1:11: an unknown tag; write the value without it'],
  ['tiers:\n  a: *free\n', 'f.yaml:2:6: no anchor &free stands before this alias'],
])('names the place and the remedy of what is no YAML for a policy: %j', (text, message) => {
  expect(placeOf(text)).toBe(message);
});

describe('a key that YAML takes for something else than text', () => {
  const place = (key: string, indent = '        ') =>
    placeOf(`identity:\n  - apiKey:\n      keys:\n${indent}sk-1: { id: a }\n${indent}${key}: { id: b }\n`);

  it.each(['0123456', '1e10', '0x1F', '0o17', '1.50', '12345678901234567890', '+5', 'True', '.inf', '~', 'null'])(
    'is refused where it would be changed, and not shown: %s',
    (key) => {
      expect(place(key)).toBe(
        'f.yaml:5:9: YAML reads this key as something else than text, and would change it; put it into quotes',
      );
    },
  );

  it.each(['"0123456"', "'1e10'", '123456', '"null"', 'true', '2026-01-01', 'sk-0123'])(
    'is taken as it is written, in quotes or where nothing changes: %s',
    (key) => {
      const text = `identity: [{ apiKey: { keys: { ${key}: { id: a } } } }]`;
      const [source] = parsePolicyText(text, 'f.yaml').identity;
      expect(source).toMatchObject({ keys: [{ plain: key.replaceAll(/["']/g, '') }] });
    },
  );
});

it('ends anchors that multiply each other, and ones that hold themselves', () => {
  const levels = ['a', 'b', 'c', 'd', 'e'].map((name, i, names) => {
    const below = i === 0 ? 'x' : `*${names[i - 1]}`;
    return `${name}: &${name} [${Array(9).fill(below).join(',')}]`;
  });
  expect(placeOf(levels.join('\n'))).toMatch(/^f\.yaml: its anchors stand for more than a policy can hold; write out/);
  expect(placeOf('requests: &a\n  limit: *a\n')).toContain('2:3 requests.limit');
});

it('reads merged mappings as written out, and says where a fault in one comes from', () => {
  const text = 'tiers:\n  a: &a { requests: 5/min }\n  b: { <<: *a, output: 50 }\n';
  expect(parsePolicyText(text, 'f.yaml').tiers.b).toMatchObject({ outputTokensMax: 50, limits: [{ amount: 5 }] });
  expect(placeOf(text.replace('5/min', '5/fortnight'))).toBe('2:11 tiers.a.requests, 3:3 tiers.b.requests');
});

it('refuses a file in another encoding', async () => {
  for (const encoding of ['utf16le', 'latin1'] as const) {
    const file = await fileWith(Buffer.from('\ufeffrequests: 5/min # caf\u00e9\n', encoding));
    await expect(readPolicyFile(file)).rejects.toThrow(`${file}: it is not UTF-8 text; save it in that encoding`);
  }
});

it('reads an empty file as the empty policy', () => {
  expect(parsePolicyText('', 'f.yaml').listen.port).toBe(8080);
  expect(parsePolicyText('# nothing\n', 'f.yaml').tiers.default?.limits).toEqual([]);
});

it('puts variables of the environment in', () => {
  const text = `admin: { key: "$\{KEY}" }`;
  expect(parsePolicyText(text, 'f.yaml', { KEY: 'sk-1' }).admin.key).toBe('sk-1');
});
