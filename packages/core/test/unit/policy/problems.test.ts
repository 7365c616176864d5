import { describe, expect, test } from 'vitest';
import { createLimiter } from '../../../src/create-limiter.js';
import { HeadgateError } from '../../../src/kernel/errors.js';
import { type ParseOptions, PolicyError, parsePolicy, policySchema } from '../../../src/policy/parse.js';

const variable = (name: string) => `\${${name}}`;

function refused(input: unknown, options: ParseOptions = {}): PolicyError {
  try {
    parsePolicy(input, options);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    return error as PolicyError;
  }
  throw new Error('the policy was accepted');
}

type Wrong = readonly [input: unknown, path: string, value: unknown, expected: RegExp, nearest?: string];

const key = (settings: object) => ({ identity: [{ apiKey: { keys: { 'sk-1': settings } } }] });
const limit = (entry: unknown) => ({ limits: [entry] });

const wrong: readonly Wrong[] = [
  // Keys
  [{ reqests: '60/min' }, 'reqests', '60/min', /a key that exists here/, 'requests'],
  [{ banana: 1 }, 'banana', 1, /a key that exists here: listen, store, .*requests/],
  [{ tiers: { free: { Requests: '60/min' } } }, 'tiers.free.Requests', '60/min', /key that exists/, 'requests'],
  [
    limit({ matches: { operation: 'chat' }, requests: '1/s' }),
    'limits[0].matches',
    'a mapping with 1 key',
    /key/,
    'match',
  ],
  [limit({ match: { modle: 'a' }, requests: '1/s' }), 'limits[0].match.modle', 'a', /key that exists/, 'model'],
  [limit({ match: { not: { paht: '/' } }, requests: '1/s' }), 'limits[0].match.not.paht', '/', /key/, 'path'],
  [{ requests: { limit: 60, per: 'min', brust: 3 } }, 'requests.brust', 3, /key that exists/, 'burst'],
  [{ queue: { dept: 3 } }, 'queue.dept', 3, /key that exists/, 'depth'],
  [{ pool: { timeout: { embed: { firstbyte: '3s' } } } }, 'pool.timeout.embed.firstbyte', '3s', /key/, 'firstByte'],
  [{ backends: [{ url: 'http://a', slot: 2 }] }, 'backends[0].slot', 2, /key that exists/, 'slots'],
  [{ prices: { 'llama3.1:70b': { inputs: 1 } } }, 'prices["llama3.1:70b"].inputs', 1, /key that exists/, 'input'],
  [{ tiers: { free: { failures: '5/min' } } }, 'tiers.free.failures', '5/min', /key that exists here/],
  // Amounts
  [{ requests: '60/minn' }, 'requests', '60/minn', /a period such as/, '60/min'],
  [{ requests: 60 }, 'requests', 60, /an amount and a period, such as `60\/min`/, '60/min'],
  [{ requests: true }, 'requests', true, /an amount and a period, such as `60\/min`.*or a list/],
  [{ requests: null }, 'requests', null, /an amount and a period/],
  [{ tokens: ['100k/hour', '1/fortnight'] }, 'tokens[1]', '1/fortnight', /a period such as/],
  [{ requests: { limit: 60 } }, 'requests.per', undefined, /a period such as `min`/],
  [{ requests: { limit: 60, per: 'mn' } }, 'requests.per', 'mn', /a period such as/, 'min'],
  [{ requests: '60/min burst 0' }, 'requests', '60/min burst 0', /with 0 none ever could/],
  [{ requests: '10r/m burst 3' }, 'requests', '10r/m burst 3', /one spelling of the two/],
  [{ concurrency: '5/min' }, 'concurrency', '5/min', /at once, .* without a period, such as `5`/],
  [{ concurrency: 0 }, 'concurrency', 0, /at least 1/],
  [{ input: '32kB' }, 'input', '32kB', /a whole number of at least 1, such as/],
  [{ contextAlert: 80 }, 'contextAlert', 80, /a share such as `0\.8`/, '80%'],
  // Limits
  [limit({ name: 'x' }), 'limits[0]', 'a mapping with 1 key', /exactly one of `requests`.*there is none/],
  [limit({ requests: '1/s', tokens: '1/s' }), 'limits[0]', 'a mapping with 2 keys', /there are requests and tokens/],
  [limit({ requests: ['1/s', '2/min'] }), 'limits[0].requests', ['1/s', '2/min'], /an amount and a period/],
  [limit('60/min'), 'limits[0]', '60/min', /a mapping such as/],
  [limit({ per: 'idenity', requests: '1/s' }), 'limits[0].per', 'idenity', /whose counter it is/, 'identity'],
  [limit({ per: ['all', 'model'], requests: '1/s' }), 'limits[0].per', ['all', 'model'], /`all` alone/],
  [limit({ per: ['model', 'model'], requests: '1/s' }), 'limits[0].per', ['model', 'model'], /each once/],
  [limit({ match: {}, requests: '1/s' }), 'limits[0].match', 'a mapping with 0 keys', /at least one of operation/],
  [
    limit({ match: { operation: 'genrate' }, requests: '1/s' }),
    'limits[0].match.operation',
    'genrate',
    /`generate`/,
    'generate',
  ],
  [
    limit({ match: { operation: ['chat', 'embd'] }, requests: '1/s' }),
    'limits[0].match.operation[1]',
    'embd',
    /`embed`/,
    'embed',
  ],
  [limit({ match: { tier: 'fre' }, requests: '1/s' }), 'limits[0].match.tier', 'fre', /a tier that exists: default/],
  [limit({ match: { model: '*:latest' }, requests: '1/s' }), 'limits[0].match.model', '*:latest', /without `:latest`/],
  [limit({ requests: '1/s', queue: true }), 'limits[0].queue', true, /only `concurrency` may wait/],
  [limit({ tokens: '1/s', delay: true }), 'limits[0].delay', true, /only `requests` may wait/],
  [limit({ requests: '1/s rolling', delay: true }), 'limits[0].delay', true, /rolling window/],
  [limit({ requests: '10r/m', delay: true }), 'limits[0].delay', true, /nginx/],
  [
    limit({ requests: '1/s burst 2', delay: { after: 2 } }),
    'limits[0].delay',
    'a mapping with 1 key',
    /less than the burst/,
  ],
  [limit({ requests: '1/s', block: '5min' }), 'limits[0].block', '5min', /belongs to `failures`/],
  [limit({ failures: '5/min', per: 'identity' }), 'limits[0].per', 'identity', /`address` or `all`/],
  [
    limit({ failures: '5/min', match: { not: { model: 'a' } } }),
    'limits[0].match',
    'a mapping with 1 key',
    /`path` or `method` alone for `failures`/,
  ],
  [limit({ cost: '$5/day' }), 'limits[0]', 'a mapping with 1 key', /`prices`/],
  [{ requests: ['1/s', '2/s'] }, 'requests[1]', '2/s', /a `name` of its own.*`requests\.s`/],
  [
    {
      limits: [
        { name: 'a', requests: '1/s' },
        { name: 'a', tokens: '1/s' },
      ],
    },
    'limits[1]',
    'a mapping with 2 keys',
    /name.*`a`/,
  ],
  [limit({ name: 'a b', requests: '1/s' }), 'limits[0].name', 'a b', /a name of letters/],
  // Tiers
  [
    { tiers: { free: {}, pro: { extends: 'fre' } } },
    'tiers.pro.extends',
    'fre',
    /a tier that exists: default, free/,
    'free',
  ],
  [{ tiers: { a: { extends: 'a' } } }, 'tiers.a.extends', 'a', /a extends a/],
  [{ tiers: { default: {} } }, 'tiers.default', 'a mapping with 0 keys', /at the top of the policy/],
  [{ tiers: { '1st': {} } }, 'tiers["1st"]', 'a mapping with 0 keys', /begins with a letter/],
  [{ tiers: { free: null } }, 'tiers.free', null, /a mapping such as/],
  [{ tiers: { free: { models: [] } } }, 'tiers.free.models', [], /at least one/],
  [{ priority: 'hihg' }, 'priority', 'hihg', /`high`, `normal` or `low`/, 'high'],
  // Identity
  [{ identity: { apiKey: {} } }, 'identity', 'a mapping with 1 key', /a list of sources/],
  [{ identity: [] }, 'identity', 'a list of 0', /at least one/],
  [{ identity: [{}] }, 'identity[0]', 'a mapping with 0 keys', /exactly one of `apiKey/],
  [{ identity: [{ apikey: {} }] }, 'identity[0].apikey', 'a mapping with 0 keys', /key that exists/, 'apiKey'],
  [
    { identity: [{ apiKey: { from: ['authorisation'] } }] },
    'identity[0].apiKey.from[0]',
    'authorisation',
    /`x-api-key`/,
    'authorization',
  ],
  [
    { identity: [{ apiKey: { unknown: 'reject' } }] },
    'identity[0].apiKey.unknown',
    'reject',
    /`refuse`, `ignore` or `accept`/,
  ],
  [{ identity: [{ apiKey: { newNames: '10' } }] }, 'identity[0].apiKey.newNames', '10', /such as `1000\/hour`/],
  [{ identity: [{ apiKey: { keys: {} } }] }, 'identity[0].apiKey.keys', 'a mapping with 0 keys', /at least one key/],
  [key({ id: 'a', tier: 'premum' }), 'identity[0].apiKey.keys[key 1].tier', 'premum', /a tier that exists: default/],
  [key({ id: 'a b' }), 'identity[0].apiKey.keys[key 1].id', '***', /a name without spaces/],
  [key({}), 'identity[0].apiKey.keys[key 1].id', undefined, /a name without spaces/],
  [
    { identity: [{ apiKey: { keys: { 'sha256:9f86d08': { id: 'a' } } } }] },
    'identity[0].apiKey.keys[key 1]',
    'a mapping with 1 key',
    /64 hex digits/,
  ],
  [
    { identity: [{ address: { tier: 'fre' } }], tiers: { free: {} } },
    'identity[0].address.tier',
    'fre',
    /default, free/,
    'free',
  ],
  [{ identity: [{ address: { ipv6Prefix: 129 } }] }, 'identity[0].address.ipv6Prefix', 129, /1 to 128/],
  [{ identity: [{ jwt: { issuer: 'x' } }] }, 'identity[0].jwt.jwks', undefined, /an address such as/],
  [
    { admin: { key: variable('ADMIN_KEY') } },
    'admin.key',
    variable('ADMIN_KEY'),
    /variable ADMIN_KEY to hold a value; it is not set/,
  ],
  // The rest
  [{ listen: '127.0.0.1' }, 'listen', '127.0.0.1', /`\[::1\]:8080`/],
  [{ listen: ':65536' }, 'listen', ':65536', /an address and a port/],
  [{ store: 'memroy' }, 'store', 'memroy', /`memory`, an address such as/, 'memory'],
  [{ store: { redis: 'http://h' } }, 'store.redis', 'http://h', /redis:\/\/127/],
  [{ timeZone: 'Europe/Berlim' }, 'timeZone', 'Europe/Berlim', /the name of a time zone/, 'Europe/Berlin'],
  [{ queue: { wait: 30 } }, 'queue.wait', 30, /a duration with its unit/, '30s'],
  [{ backends: ['127.0.0.1:11434'] }, 'backends[0]', '127.0.0.1:11434', /http or https/, 'http://127.0.0.1:11434'],
  [{ backends: ['ftp://h'] }, 'backends[0]', 'ftp://h', /http or https/],
  [{ backends: ['http://h?x=1'] }, 'backends[0]', 'http://h?***', /without `\?`/],
  [{ backends: [{}] }, 'backends[0].url', undefined, /the address of a server/],
  [{ backends: ['http://h', 'http://h:80'] }, 'backends[1]', 'http://h:80', /another backend is called `h:80`/],
  [{ pool: { retry: { on: [500] } } }, 'pool.retry.on[0]', 500, /`502`, `503`/, '502'],
  [{ pool: { eject: { max: '150%' } } }, 'pool.eject.max', '150%', /a share/],
  [{ guard: { body: '20M' } }, 'guard.body', '20M', /a size in bytes/, '20MiB'],
  [{ guard: { cloud: 'yes' } }, 'guard.cloud', 'yes', /`deny` or `allow`/],
  [
    { guard: { options: { num_ctx: '8k' } } },
    'guard.options.num_ctx',
    '8k',
    /a whole number of at least 1, such as `8192`/,
  ],
  [{ guard: { options: { num_ctx: -1 } } }, 'guard.options.num_ctx', -1, /a whole number of at least 1/],
  [{ guard: { options: { num_ctx: 8192.5 } } }, 'guard.options.num_ctx', 8192.5, /a whole number/],
  [{ guard: { options: { num_ctx: true } } }, 'guard.options.num_ctx', true, /a whole number/],
  [{ guard: { options: { NUM_CTX: 8192 } } }, 'guard.options.NUM_CTX', 8192, /as Ollama spells it/, 'num_ctx'],
  [{ guard: { options: { num_ctxt: 8192 } } }, 'guard.options.num_ctxt', 8192, /as Ollama spells it/, 'num_ctx'],
  [{ guard: { options: { num_cxt: 8192 } } }, 'guard.options.num_cxt', 8192, /as Ollama spells it/, 'num_ctx'],
  [{ guard: { options: { num_ctz: 8192 } } }, 'guard.options.num_ctz', 8192, /as Ollama spells it/, 'num_ctx'],
  [{ guard: { options: { 'num-gpu': 1 } } }, 'guard.options.num-gpu', 1, /as Ollama spells it/, 'num_gpu'],
  [{ guard: { options: { use_mmap: 2 } } }, 'guard.options.use_mmap', 2, /`true` or `false`/],
  [{ guard: { options: { main_gpu: -2 } } }, 'guard.options.main_gpu', -2, /a whole number of at least -1/],
  [{ guard: { options: { num_predict: 'x' } } }, 'guard.options.num_predict', 'x', /a whole number, such as `512`/],
  [{ guard: { options: { temperature: 'hot' } } }, 'guard.options.temperature', 'hot', /a number, such as `0.8`/],
  [{ guard: { options: { shift: 'no' } } }, 'guard.options.shift', 'no', /`true` or `false`/],
  [{ guard: { options: { stop: 'END' } } }, 'guard.options.stop', 'END', /a list of texts, which only a request/],
  [{ guard: { options: { 'a b': 1 } } }, 'guard.options["a b"]', 1, /the name of an option/],
  // What nobody would ever reach
  [
    { identity: [{ address: {} }, { apiKey: {} }] },
    'identity[1]',
    'a mapping with 1 key',
    /no source after `address`, which recognises everyone/,
  ],
  [{ identity: [{ address: null }, { address: {} }] }, 'identity[1]', 'a mapping with 1 key', /no source after/],
  // What code has not set
  [{ requests: undefined }, 'requests', undefined, /a value; where there is none, leave the key out/],
  [{ tiers: { free: { tokens: undefined } } }, 'tiers.free.tokens', undefined, /leave the key out/],
  [
    limit({ requests: '1/s', match: { tier: 'default', model: undefined } }),
    'limits[0].match.model',
    undefined,
    /leave the key out/,
  ],
  [undefined, '(top)', undefined, /a mapping such as/],
  [{ guard: { paths: ['v1/audio'] } }, 'guard.paths[0]', 'v1/audio', /an exact path/],
  [{ guard: { origins: 'https://a.example' } }, 'guard.origins', 'https://a.example', /a list of origins/],
  [
    { guard: { origins: ['https://a.example/'] } },
    'guard.origins[0]',
    'https://a.example/',
    /without a path/,
    'https://a.example',
  ],
  [{ guard: { origins: ['a.example:81'] } }, 'guard.origins[0]', 'a.example:81', /an origin/, 'https://a.example:81'],
  [{ guard: { origins: ['null'] } }, 'guard.origins[0]', 'null', /an origin such as/],
  [
    { guard: { origins: ['https://a.example, https://b.example'] } },
    'guard.origins[0]',
    'https://a.example, https://b.example',
    /an origin such as/,
  ],
  [{ headers: ['itef'] }, 'headers[0]', 'itef', /`ietf`/, 'ietf'],
  [{ alerts: [{ webhook: 'hooks.example' }] }, 'alerts[0].webhook', 'hooks.example', /https:\/\/hooks/],
  [{ prices: { '*': {} } }, 'prices["*"]', 'a mapping with 0 keys', /at least one of input/],
  [
    { prices: { A: { input: 1 }, 'a:latest': { input: 2 } } },
    'prices["a:latest"]',
    'a mapping with 1 key',
    /each model once/,
  ],
  ['requests: 60/min', '(top)', 'requests: 60/min', /a mapping such as/],
  [null, '(top)', null, /a mapping such as/],
  [[{ requests: '1/s' }], '(top)', 'a list of 1', /a mapping such as/],
];

describe('a wrong policy names the place, the value, what was expected and the nearest right word', () => {
  test.each<Wrong>(wrong)('%j', (input, path, value, expected, nearest) => {
    const { problems } = refused(input);
    expect(problems).toEqual([
      expect.objectContaining({ path, value, expected: expect.stringMatching(expected as RegExp) }),
    ]);
    expect(problems[0]!.nearest).toBe(nearest);
  });

  test("none speaks in the validator's words", () => {
    for (const [input] of wrong) {
      for (const { expected } of refused(input).problems) {
        expect(expected).not.toMatch(/invalid|received|unrecognized|another value|another kind|^$|undefined|\[object/i);
      }
    }
  });

  test('a policy that the schema refuses is refused', () => {
    for (const [input] of wrong) {
      if (!policySchema.safeParse(input).success) expect(refused(input).problems.length).toBeGreaterThan(0);
    }
  });
});

test.each([undefined, null, 'x', 5, [], () => {}, Symbol('x')])(
  'a limiter of %s is refused as a policy, also by reload',
  async (given) => {
    expect(() => createLimiter(given as object)).toThrow(PolicyError);
    await expect(createLimiter({}).reload(given as object)).rejects.toBeInstanceOf(PolicyError);
  },
);

describe('all problems are told at once', () => {
  const input = {
    requets: '60/min',
    tiers: { free: { requests: '60/minn', extends: 'gold', concurrency: 1 }, pro: { extends: 'fre', input: 'much' } },
    limits: [
      { requests: '1/s', tokens: '1/s', match: { tier: 'por' }, foo: 1 },
      { name: 'a', requests: '1/s', queue: true },
    ],
    backends: ['http://a', 'http://a', 'b'],
    identity: [{ apiKey: { keys: { k: { id: 'a', tier: 'x' }, l: { id: 7 } } } }],
  };
  test('faults in a part do not hide those between parts', () => {
    const paths = refused(input).problems.map(({ path }) => path);
    expect(paths.toSorted()).toEqual(
      [
        'backends[2]',
        'identity[0].apiKey.keys[key 1].tier',
        'identity[0].apiKey.keys[key 2].id',
        'limits[0]',
        'limits[0].foo',
        'limits[0].match.tier',
        'limits[1].queue',
        'requets',
        'tiers.free.extends',
        'tiers.free.requests',
        'tiers.pro.extends',
        'tiers.pro.input',
      ].toSorted(),
    );
  });
  test('rings of tiers', () => {
    const { problems } = refused({ tiers: { a: { extends: 'b' }, b: { extends: 'c' }, c: { extends: 'a' }, d: {} } });
    expect(problems.map(({ path }) => path)).toEqual(['tiers.a.extends', 'tiers.b.extends', 'tiers.c.extends']);
    expect(problems[0]!.expected).toContain('a extends b extends c extends a');
  });
  test('a variable that is set to nothing is told from one that is not set', () => {
    const { problems } = refused(
      { admin: { key: variable('A') }, log: { access: variable('B') } },
      { env: { A: '', B: undefined } },
    );
    expect(problems.map(({ expected }) => expected)).toEqual([
      'the environment variable A to hold a value; it is set but empty',
      'the environment variable B to hold a value; it is not set',
    ]);
  });
  test('the same key twice, and one id with two meanings', () => {
    const { problems } = refused(
      {
        identity: [{ apiKey: { keys: { k: { id: 'a' }, [variable('K')]: { id: 'a' }, l: { id: 'a', weight: 2 } } } }],
      },
      { env: { K: 'k' } },
    );
    expect(problems.map(({ path, expected }) => [path, expected])).toEqual([
      [`identity[0].apiKey.keys["${variable('K')}"]`, expect.stringContaining('each key once')],
      ['identity[0].apiKey.keys[key 3].id', expect.stringContaining('same tier, weight and priority')],
    ]);
  });
});

describe('the message', () => {
  test('is a coded error that prints file, line, path, value, expectation and hint', () => {
    const positions = (path: readonly (string | number)[]) =>
      path[0] === 'tiers' ? { line: 12, column: 5 } : undefined;
    const error = refused(
      { tiers: { free: { requsts: '60/min' } }, drain: true },
      { file: 'headgate.yaml', positions },
    );
    expect(error).toBeInstanceOf(HeadgateError);
    expect(error.code).toBe('HG_POLICY');
    expect(error.message).toBe(
      [
        '2 problems in the policy headgate.yaml',
        '  headgate.yaml:12:5: tiers.free.requsts\n    got "60/min"\n    expected a key that exists here; did you mean `requests`?',
        '  headgate.yaml: drain\n    got true\n    expected a duration with its unit, such as `30s`, `5min` or `250ms`',
      ].join('\n\n'),
    );
    expect(error.problems[0]).toMatchObject({ line: 12, column: 5 });
  });
  test('does without a file', () => {
    expect(refused({ drain: true }).message).toBe(
      '1 problem in the policy\n\n  drain\n    got true\n    expected a duration with its unit, such as `30s`, `5min` or `250ms`',
    );
  });
});

describe('secrets', () => {
  const secret = 'sk-hush-hush';
  test.each<[unknown, ParseOptions?]>([
    [{ identity: [{ apiKey: { keys: { [secret]: { id: 'a', tier: 'nowhere' } } } }] }],
    [{ identity: [{ apiKey: { keys: { [secret]: { nme: 'a' } } } }] }],
    [{ identity: [{ apiKey: { keys: { [secret]: 'a' } } }] }],
    [{ identity: [{ apiKey: { keys: { id: secret } } }] }],
    [{ identity: [{ apiKey: { keys: [secret] } }] }],
    [{ identity: [{ apiKey: { keys: secret } }] }],
    [{ identity: [{ apiKey: { keyes: { [secret]: { id: 'a' } } } }] }],
    [{ identity: [{ apiKey: { [secret]: { id: 'a' } } }] }],
    [{ identity: [{ keys: { [secret]: { id: 'a' } } }] }],
    [{ identity: [{ [secret]: { id: 'a' } }] }],
    [{ identity: { [secret]: { id: 'a' } } }],
    [{ identity: [secret] }],
    [{ identity: [{ apiKey: secret }] }],
    [{ admin: { key: `${secret} ` } }],
    [{ admin: { kee: secret } }],
    [{ adminKey: secret }],
    [{ alerts: [{ webhook: 'x', secret: [secret] }] }],
    [{ alerts: [{ webhook: 'https://h', sekret: secret }] }],
    [{ jobs: { callbacks: { hosts: ['a'], secret: [secret] } } }],
    [{ jobs: { callbacks: { hosts: ['a'], sekret: secret } } }],
    [{ jobs: { callbacks: { hosts: [`https://user:${secret}@a`], secret: 'b' } } }],
    [{ jobs: { callbacks: secret } }],
    [{ backends: [`http://user:${secret}@h`] }],
    [{ backends: [`user:${secret}@h`] }],
    [{ backends: [{ url: 'http://h', headers: { authorization: `${secret}\n` } }] }],
    [{ store: { redis: `http://:${secret}@h` } }],
    [{ identity: [{ apiKey: { keys: { [variable('K')]: { id: 'a', tier: 'x' } } } }] }, { env: { K: secret } }],
    [{ timeZone: variable('K') }, { env: { K: secret } }],
  ])('are not in the report of %j', (input, options) => {
    const error = refused(input, options);
    expect(`${error.message} ${JSON.stringify(error.problems)}`).not.toContain(secret);
    expect(error.problems.length).toBeGreaterThan(0);
  });
});
