import { expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/run.js';
import { fileWith } from '../../support/program.js';

interface Wrong {
  readonly text: string;
  /** `line:column path`, as the message has it after the name of the file. */
  readonly at: string;
  readonly got: string;
  readonly expected: string;
  /** The right spelling that comes nearest, where there is one. */
  readonly nearest?: string;
}

const key = (settings: string): string => `identity:\n  - apiKey:\n      keys:\n        sk-1: ${settings}\n`;

/** Mistakes that people make, each alone in a file. */
const wrongFiles: readonly Wrong[] = [
  {
    text: 'request: 60/min burst 10\n',
    at: '1:1 request',
    got: '"60/min burst 10"',
    expected: 'a key that exists here',
    nearest: 'requests',
  },
  {
    text: 'tiers:\n  free:\n    Input-Tokens: 5k/min\n',
    at: '3:5 tiers.free.Input-Tokens',
    got: '"5k/min"',
    expected: 'a key that exists here',
    nearest: 'inputTokens',
  },
  {
    text: 'queue: { depht: 10 }\n',
    at: '1:10 queue.depht',
    got: '10',
    expected: 'a key that exists here',
    nearest: 'depth',
  },
  {
    text: 'pool:\n  timeout:\n    chat: { firstbyte: 5s }\n',
    at: '3:13 pool.timeout.chat.firstbyte',
    got: '"5s"',
    expected: 'a key that exists here',
    nearest: 'firstByte',
  },
  {
    text: 'requests: 60/minn\n',
    at: '1:1 requests',
    got: '"60/minn"',
    expected: 'a period such as `s`, `min`, `hour`, `day`, `week`, `month`, or with a number, `90s`',
    nearest: '60/min',
  },
  {
    text: 'requests: 60\n',
    at: '1:1 requests',
    got: '60',
    expected: 'an amount and a period, such as `60/min` or `60/min burst 10`',
    nearest: '60/min',
  },
  {
    text: 'requests: 60/min burst 0\n',
    at: '1:1 requests',
    got: '"60/min burst 0"',
    expected: '`burst` as a whole number of at least 1: it is how many may come at once, and with 0 none ever could',
  },
  {
    text: 'requests: 10r/m burst 3\n',
    at: '1:1 requests',
    got: '"10r/m burst 3"',
    expected:
      'one spelling of the two, not a mixture: `10/min burst 4` (four at once) or, as nginx writes the same, `10r/m burst=3 nodelay`',
  },
  {
    text: 'tokens: [10k/hour, $5/day]\n',
    at: '1:20 tokens[1]',
    got: '"$5/day"',
    expected: 'an amount without `$`, such as `100k/hour` or `500k/day`; `$` is for `cost`',
  },
  {
    text: 'tokens: 100k/90min calendar\n',
    at: '1:1 tokens',
    got: '"100k/90min calendar"',
    expected:
      '`day`, `week` or `month` with `calendar`: only these begin at the same instant for everyone; other periods are `rolling`',
  },
  {
    text: 'concurrency: 5/min\n',
    at: '1:1 concurrency',
    got: '"5/min"',
    expected: 'how many at once, a whole number of at least 1 without a period, such as `5`',
  },
  {
    text: `tiers:\n  free: { requests: 5/min }\n${key('{ id: a, tier: fre }')}`,
    at: '6:24 identity[0].apiKey.keys[key 1].tier',
    got: '"fre"',
    expected: 'the name of a tier that exists: default, free',
    nearest: 'free',
  },
  {
    text: key('{ tier: default }'),
    at: '4:9 identity[0].apiKey.keys[key 1].id',
    got: 'nothing',
    expected: 'a name without spaces, such as `team-a`; it is shown in logs',
  },
  {
    text: 'identity:\n  - apiKey: { sk-secret: { id: a } }\n',
    at: '2:15 identity[0].apiKey[key 1]',
    got: 'a mapping with 1 key',
    expected: 'a key that exists here: from, unknown, newNames, tier, keys; declared keys stand under `keys`',
  },
  {
    text: 'tiers:\n  a: { extends: b, requests: 1/s }\n',
    at: '2:8 tiers.a.extends',
    got: '"b"',
    expected: 'the name of a tier that exists: default, a',
  },
  {
    text: 'limits:\n  - { name: both, requests: 1/min, tokens: 1k/min }\n',
    at: '2:5 limits[0]',
    got: 'a mapping with 3 keys',
    expected:
      'exactly one of `requests`, `tokens`, `inputTokens`, `outputTokens`, `cost`, `gpuSeconds`, `concurrency`, `failures` or `toolCalls`; there are requests and tokens',
  },
  {
    text: 'limits:\n  - { name: x, requests: 1/min }\n  - { name: x, tokens: 1k/min }\n',
    at: '3:5 limits[1]',
    got: 'a mapping with 2 keys',
    expected: 'a `name` of its own: another limit is called `x` too',
  },
  {
    text: 'limits:\n  - { name: gen, match: { operation: genrate }, requests: 1/min }\n',
    at: '2:27 limits[0].match.operation',
    got: '"genrate"',
    expected: '`generate`, `chat`, `embed`, `models`, `admin` or `other`, a `*` pattern, or a list of these',
    nearest: 'generate',
  },
  {
    text: 'limits:\n  - { name: h, per: identiy, requests: 1/min }\n',
    at: '2:16 limits[0].per',
    got: '"identiy"',
    expected: 'whose counter it is: `identity`, `address`, `model`, `tier`, `run`, `all`, or a list of these',
    nearest: 'identity',
  },
  {
    text: 'queue: { wait: 30 }\n',
    at: '1:10 queue.wait',
    got: '30',
    expected: 'a duration with its unit, such as `30s`, `5min` or `250ms`',
    nearest: '30s',
  },
  {
    text: 'backends: [127.0.0.1:11434]\n',
    at: '1:12 backends[0]',
    got: '"127.0.0.1:11434"',
    expected: 'the address of a server, http or https, such as `http://127.0.0.1:11434`',
    nearest: 'http://127.0.0.1:11434',
  },
  {
    text: 'backends:\n  - { url: "http://a", slots: 0 }\n',
    at: '2:24 backends[0].slots',
    got: '0',
    expected: 'a whole number of at least 1, such as `100` or `32k`',
  },
  {
    text: 'headers: [ietf, legcay]\n',
    at: '1:17 headers[1]',
    got: '"legcay"',
    expected: '`ietf`, `legacy` or `openai`',
    nearest: 'legacy',
  },
  {
    text: 'timeZone: Europe/Berlim\n',
    at: '1:1 timeZone',
    got: '"Europe/Berlim"',
    expected: 'the name of a time zone, such as `UTC` or `Europe/Berlin`',
    nearest: 'Europe/Berlin',
  },
  {
    text: `admin: { key: "$\{ADMIN_KEY}" }\n`,
    at: '1:10 admin.key',
    got: `"$\{ADMIN_KEY}"`,
    expected: 'the environment variable ADMIN_KEY to hold a value; it is not set',
  },
  {
    text: 'listen: localhost\n',
    at: '1:1 listen',
    got: '"localhost"',
    expected: 'an address and a port, such as `127.0.0.1:8080`, `:8080`, `8080` or `[::1]:8080`',
  },
  {
    text: '- requests: 60/min\n',
    at: '1:1 (top)',
    got: 'a list of 1',
    expected: 'a mapping such as `{ requests: 60/min burst 10 }`',
  },
];

it.each(wrongFiles)('$at: the path, the value, what is expected and the nearest right one', async (wrong) => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {});
  const file = await fileWith(wrong.text);
  expect(await run(['check', file], {})).toBe(1);
  const hint = wrong.nearest === undefined ? '' : `; did you mean \`${wrong.nearest}\`?`;
  expect(told.mock.calls.map(String)).toEqual([
    `headgate: 1 problem in the policy ${file}\n\n` +
      `  ${file}:${wrong.at.replace(' ', ': ')}\n    got ${wrong.got}\n    expected ${wrong.expected}${hint}`,
  ]);
});
