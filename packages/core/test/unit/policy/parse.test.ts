import { describe, expect, test } from 'vitest';
import { type ParseOptions, parsePolicy } from '../../../src/policy/parse.js';

const whole = (input: unknown, options: ParseOptions = {}) => parsePolicy(input, options);
const limitsOf = (input: unknown, tier = 'default') => whole(input).tiers[tier]!.limits;
const namesOf = (input: unknown, tier = 'default') => limitsOf(input, tier).map(({ name }) => name);
/** A reference as policies write it: the name in braces after a dollar sign. */
const variable = (name: string) => `\${${name}}`;
const entry = (limit: object) => whole({ limits: [limit], prices: { '*': { input: 1 } } }).limits[0]!;

describe('an empty policy', () => {
  test('has every default of the documentation', () => {
    expect(parsePolicy({})).toEqual({
      remarks: [],
      listen: { host: '127.0.0.1', port: 8080 },
      store: { kind: 'memory' },
      timeZone: 'UTC',
      identity: [
        {
          kind: 'apiKey',
          from: ['authorization', 'x-api-key'],
          unknown: 'accept',
          newNames: { amount: 1000, periodMs: 3_600_000 },
          keys: [],
        },
        { kind: 'address', trustProxy: 0, ipv6Prefix: 64 },
      ],
      tiers: { default: { name: 'default', priority: 'normal', mode: 'enforce', limits: [] } },
      limits: [],
      queue: { depth: 200, waitMs: 30_000, fairness: 'tokens', priority: 'weighted', agingMs: 20_000 },
      keysMax: 100_000,
      client: {
        headersMs: 10_000,
        bodyMs: 30_000,
        keepAliveMs: 75_000,
        idleReadMs: 60_000,
        connectionsPerAddress: 100,
        trustProxy: 0,
      },
      log: { access: 'stdout', format: 'json' },
      onClientGone: 'cancel',
      onBudgetSpent: 'finish-cleanly',
      reserve: 'expected',
      admin: {},
      drainMs: 30_000,
      prices: [],
      backends: [],
      pool: {
        pick: 'least-wait',
        health: { path: '/api/version', everyMs: 10_000, timeoutMs: 2_000, rise: 2, fall: 3 },
        eject: { failures: 3, forMs: 30_000, maxShare: 0.5 },
        retry: { tries: 2, on: ['connect', 'reset', '502', '503'], budgetShare: 0.2 },
        timeout: {
          connectMs: 2_000,
          firstByteMs: 300_000,
          idleMs: 120_000,
          totalMs: 1_800_000,
          embed: { firstByteMs: 60_000 },
          chat: {},
          generate: {},
        },
      },
      guard: {
        admin: 'deny',
        cloud: 'deny',
        options: { num_ctx: 8192 },
        keepAliveMsMax: 1_800_000,
        inputsMax: 256,
        bodyBytesMax: 20_971_520,
        paths: [],
        origins: [],
      },
      headers: ['ietf', 'legacy', 'openai'],
      alerts: [],
      jobs: {
        ...{ depth: 10_000, perIdentity: 1_000, bodyBytesMax: 2 ** 20, resultBytesMax: 2 ** 20 },
        ...{ waitMs: 86_400_000, keepMs: 86_400_000, tries: 5, leaseMs: 15_000 },
      },
    });
  });
});

describe('the top level is tier default', () => {
  test('its limits are named without a prefix and hold for that tier', () => {
    expect(limitsOf({ requests: '60/min burst 10', tokens: '100k/hour', concurrency: 2 })).toEqual([
      {
        name: 'requests.min',
        measure: 'requests',
        algorithm: 'token-bucket',
        amount: 60,
        capacity: 10,
        periodMs: 60_000,
        per: ['identity'],
        tier: 'default',
        mode: 'enforce',
        queue: false,
      },
      {
        name: 'tokens.hour',
        measure: 'tokens',
        algorithm: 'rolling',
        amount: 100_000,
        capacity: 100_000,
        periodMs: 3_600_000,
        per: ['identity'],
        tier: 'default',
        mode: 'enforce',
        queue: false,
      },
      {
        name: 'concurrency',
        measure: 'concurrency',
        algorithm: 'slots',
        amount: 2,
        capacity: 2,
        periodMs: 0,
        per: ['identity'],
        tier: 'default',
        mode: 'enforce',
        queue: false,
      },
    ]);
  });
  test('other tiers do not take it over', () => {
    expect(limitsOf({ requests: '60/min', tiers: { free: { concurrency: 1 } } }, 'free')).toHaveLength(1);
  });
  test('caps, models and the envelope of a run', () => {
    expect(
      whole({
        models: ['Llama3.1:8b', 'registry.ollama.ai/library/mistral:latest', 'codellama:*'],
        input: '32k',
        output: 4096,
        contextAlert: '80%',
        priority: 'high',
        run: { toolCalls: 20, depth: 5, time: '120s', tokens: '200k' },
      }).tiers.default,
    ).toEqual({
      name: 'default',
      models: ['llama3.1:8b', 'mistral', 'codellama:*'],
      priority: 'high',
      limits: [
        expect.objectContaining({ name: 'run.toolCalls', amount: 20, per: ['run'], periodMs: 120_000, envelope: true }),
        expect.objectContaining({
          name: 'run.tokens',
          amount: 200_000,
          per: ['run'],
          periodMs: 120_000,
          envelope: true,
        }),
      ],
      inputTokensMax: 32_000,
      outputTokensMax: 4096,
      contextAlert: 0.8,
      run: { toolCallsMax: 20, depthMax: 5, timeMs: 120_000, tokensMax: 200_000 },
      mode: 'enforce',
    });
  });
});

describe('extends', () => {
  const policy = {
    prices: { '*': { input: 1 } },
    tiers: {
      free: { models: ['llama3.1:8b'], requests: '60/min burst 10', tokens: ['100k/hour', '500k/day'], concurrency: 5 },
      premium: { extends: 'free', models: ['*'], requests: '300/min burst 50', priority: 'high' },
      staff: { extends: 'premium', concurrency: { limit: 50, name: 'many' } },
      guest: { extends: 'staff' },
    },
  };
  test("a child's key replaces the parent's, the others are taken over under the child's name", () => {
    expect(namesOf(policy, 'premium')).toEqual([
      'premium.requests.min',
      'premium.tokens.hour',
      'premium.tokens.day',
      'premium.concurrency',
    ]);
    expect(limitsOf(policy, 'premium')[0]).toMatchObject({ amount: 300, capacity: 50, tier: 'premium' });
    expect(whole(policy).tiers.premium).not.toHaveProperty('models');
  });
  test('goes over several steps, and a name given by hand stays unique', () => {
    const { tiers } = whole(policy);
    expect(tiers.staff).toMatchObject({ priority: 'high' });
    expect(namesOf(policy, 'staff')).toContain('many');
    expect(namesOf(policy, 'guest')).toContain('guest.many');
  });
  test('the top level may be extended and may extend', () => {
    expect(namesOf({ concurrency: 3, tiers: { pro: { extends: 'default' } } }, 'pro')).toEqual(['pro.concurrency']);
    expect(namesOf({ extends: 'pro', tiers: { pro: { concurrency: 3 } } })).toEqual(['concurrency']);
  });
});

describe('entries of limits', () => {
  test('match, scope and name', () => {
    expect(
      entry({ name: 'big-model', match: { model: 'Llama3.1:70b' }, per: ['identity', 'model'], concurrency: 1 }),
    ).toEqual({
      name: 'big-model',
      measure: 'concurrency',
      algorithm: 'slots',
      amount: 1,
      capacity: 1,
      periodMs: 0,
      per: ['identity', 'model'],
      match: { model: ['llama3.1:70b'] },
      mode: 'enforce',
      queue: false,
    });
  });
  test('spellings of a match', () => {
    expect(
      entry({ match: { method: 'post', operation: ['chat', 'gen*'], not: { path: '/v1/*' } }, requests: '1/s' }).match,
    ).toEqual({ method: ['POST'], operation: ['chat', 'gen*'], not: { path: ['/v1/*'] } });
  });
  test.each([
    [{ requests: '10/min' }, 'limits.requests.min'],
    [{ requests: '10/90s' }, 'limits.requests.90s'],
    [{ requests: '10/min rolling' }, 'limits.requests.min.rolling'],
    [{ tokens: '10k/day rolling' }, 'limits.tokens.day.rolling'],
    [{ tokens: '10k/day burst 5' }, 'limits.tokens.day.bucket'],
    [{ match: { operation: 'generate' }, requests: '10/min' }, 'generate.requests.min'],
    [
      { match: { operation: ['generate', 'chat'], tier: 'free*' }, tokens: '10k/day' },
      'generate+chat.free*.tokens.day',
    ],
    [{ match: { not: { operation: 'embed' } }, requests: '1/s' }, 'not-embed.requests.s'],
    [{ per: 'all', concurrency: 100 }, 'all.concurrency'],
    [{ per: ['identity', 'model'], concurrency: 1 }, 'identity+model.concurrency'],
    [{ per: 'address', failures: '5/min' }, 'limits.failures.min'],
  ])('%o is named %s', (given, name) => {
    expect(entry(given).name).toBe(name);
  });
  test('failures are counted by address, and block', () => {
    expect(entry({ name: 'guessing', failures: '5/min', block: '15min' })).toMatchObject({
      measure: 'failures',
      algorithm: 'rolling',
      per: ['address'],
      amount: 5,
      blockMs: 900_000,
    });
  });
  test('alerts and shadow', () => {
    expect(entry({ per: 'all', cost: '$50/hour', alertAt: 0.8, mode: 'shadow' })).toMatchObject({
      alertAt: 0.8,
      mode: 'shadow',
      measure: 'cost',
    });
  });
});

describe('wait or refuse', () => {
  test.each([
    [{ concurrency: 1 }, false],
    [{ concurrency: 1, queue: true }, true],
    [{ concurrency: 1, per: 'all' }, true],
    [{ concurrency: 1, per: 'all', queue: false }, false],
    [{ concurrency: 1, per: 'model' }, true],
    [{ concurrency: 1, per: ['tier', 'model'] }, true],
    [{ concurrency: 1, per: ['identity', 'model'] }, false],
    [{ concurrency: 1, per: 'address' }, false],
    [{ requests: '1/s', per: 'all' }, false],
  ])('%o waits: %s', (given, queue) => {
    expect(entry(given).queue).toBe(queue);
  });
  test('a tier says so in the object form', () => {
    expect(limitsOf({ concurrency: { limit: 5, queue: true, name: 'five' } })).toMatchObject([
      { name: 'five', queue: true, capacity: 5 },
    ]);
  });
  test.each([
    [{ requests: '60/min burst 10', delay: true }, { after: 1 }],
    [{ requests: '60/min burst 10', delay: { after: 2 } }, { after: 2 }],
    [{ requests: '60/min burst 10', delay: { after: 0 } }, { after: 1 }],
    [{ requests: '60/min burst 10', delay: false }, undefined],
    [{ requests: '60/min burst 1', delay: true }, undefined],
    [{ requests: '60/min burst 10' }, undefined],
    [{ requests: '10r/m burst=3' }, { after: 1 }],
  ])('%o delays %o', (given, delay) => {
    expect(entry(given).delay).toEqual(delay);
  });
});

describe('shadow', () => {
  const modes = (input: unknown) => {
    const { tiers, limits } = whole(input);
    return [
      ...Object.values(tiers).flatMap((tier) => [tier.mode, ...tier.limits.map(({ mode }) => mode)]),
      ...limits.map(({ mode }) => mode),
    ];
  };
  test('at the top puts everything in dry run', () => {
    const policy = {
      mode: 'shadow',
      requests: '1/s',
      tiers: { free: { concurrency: 1 } },
      limits: [{ requests: '1/s' }],
    };
    expect(new Set(modes(policy))).toEqual(new Set(['shadow']));
  });
  test('at the top outweighs what is said further in', () => {
    const policy = {
      mode: 'shadow',
      tiers: { free: { mode: 'enforce', requests: { limit: 1, per: 's', mode: 'enforce' } } },
      limits: [{ requests: '1/s', mode: 'enforce' }],
    };
    expect(new Set(modes(policy))).toEqual(new Set(['shadow']));
  });
  test('on a tier all of that tier, also where a child takes it over', () => {
    const { tiers } = whole({ tiers: { free: { mode: 'shadow', concurrency: 1 }, pro: { extends: 'free' } } });
    expect([tiers.free!.mode, tiers.free!.limits[0]!.mode, tiers.pro!.mode]).toEqual(['shadow', 'shadow', 'shadow']);
    expect(tiers.default!.mode).toBe('enforce');
  });
  test('on one amount of a tier that one', () => {
    const requests = ['1/s', { limit: 60, per: 'min', mode: 'shadow' }];
    expect(limitsOf({ requests }).map(({ mode }) => mode)).toEqual(['enforce', 'shadow']);
  });
});

describe('settings', () => {
  test.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    [':8080', '0.0.0.0', 8080],
    ['8080', '127.0.0.1', 8080],
    [9000, '127.0.0.1', 9000],
    ['[::1]:8080', '::1', 8080],
    ['localhost:0', 'localhost', 0],
  ])('listen %s', (listen, host, port) => {
    expect(parsePolicy({ listen }).listen).toEqual({ host, port });
  });
  test.each([
    ['memory', { kind: 'memory' }],
    ['redis://127.0.0.1:6379', { kind: 'redis', url: 'redis://127.0.0.1:6379', prefix: 'hg', onDown: 'local-share' }],
    [
      { redis: 'rediss://h/1', prefix: 'x', onDown: 'closed' },
      { kind: 'redis', url: 'rediss://h/1', prefix: 'x', onDown: 'closed' },
    ],
  ])('store %o', (store, rules) => {
    expect(whole({ store }).store).toEqual(rules);
  });
  test('backends in both spellings', () => {
    expect(
      parsePolicy({
        backends: [
          'http://127.0.0.1:11434/',
          { url: 'https://gpu.example', slots: 2, models: ['CodeLlama:*'], drain: true, headers: { 'x-team': 'a' } },
          { url: 'http://[::1]:11434', name: 'six', models: ['*'] },
        ],
      }).backends,
    ).toEqual([
      { url: 'http://127.0.0.1:11434', name: '127.0.0.1:11434', slots: 1, weight: 1, drain: false, headers: {} },
      {
        url: 'https://gpu.example',
        name: 'gpu.example:443',
        slots: 2,
        weight: 1,
        models: ['codellama:*'],
        drain: true,
        headers: { 'x-team': 'a' },
      },
      { url: 'http://[::1]:11434', name: 'six', slots: 1, weight: 1, drain: false, headers: {} },
    ]);
  });
  test('a part of a section keeps the defaults of the rest', () => {
    const { queue, client, pool, guard } = whole({
      queue: { depth: 5, wait: '0s' },
      client: { connections: 7 },
      pool: { retry: { tries: 3, on: [502, 'connect'] }, timeout: { total: '1min', embed: { total: '10s' } } },
      guard: { body: '1MiB' },
    });
    expect(queue).toEqual({ depth: 5, waitMs: 0, fairness: 'tokens', priority: 'weighted', agingMs: 20_000 });
    expect(client).toMatchObject({ connectionsPerAddress: 7, bodyMs: 30_000 });
    expect(pool.retry).toEqual({ tries: 3, on: ['502', 'connect'], budgetShare: 0.2 });
    expect(pool.timeout).toMatchObject({
      connectMs: 2_000,
      totalMs: 60_000,
      embed: { firstByteMs: 60_000, totalMs: 10_000 },
    });
    expect(guard).toMatchObject({ bodyBytesMax: 1_048_576, options: { num_ctx: 8192 } });
  });
  test('origins as browsers send them', () => {
    const written = [
      ' https://App.example.com ',
      'https://a.example:443',
      'http://b.example:80',
      'http://*.c.example:81',
    ];
    const { guard } = whole({ guard: { origins: [...written, 'chrome-extension://*', '*'] } });
    expect(guard.origins).toEqual([
      ...['https://app.example.com', 'https://a.example', 'http://b.example', 'http://*.c.example:81'],
      ...['chrome-extension://*', '*'],
    ]);
  });
  test('prices in order, models in canonical form', () => {
    expect(
      whole({ prices: { 'Llama3.1:70b': { input: '$0.60', output: 0.8 }, '*': { gpuSecond: '$0.0006' } } }).prices,
    ).toEqual([
      { model: 'llama3.1:70b', input: 0.6, output: 0.8 },
      { model: '*', gpuSecond: 0.0006 },
    ]);
  });
  test('where callbacks of jobs may go, as URLs spell it', () => {
    const hosts = [
      'Hooks.example',
      '*.x.example',
      'y.example:8443',
      'http://10.0.0.5:8080',
      'http://z.example',
      '[::1]:9',
    ];
    expect(whole({ jobs: { callbacks: { hosts, secret: 's' } } }).jobs.callbacks).toEqual({
      hosts: [
        { secure: true, host: 'hooks.example', port: 443 },
        { secure: true, host: '*.x.example', port: 443 },
        { secure: true, host: 'y.example', port: 8443 },
        { secure: false, host: '10.0.0.5', port: 8080 },
        { secure: false, host: 'z.example', port: 80 },
        { secure: true, host: '[::1]', port: 9 },
      ],
      secret: 's',
      private: 'deny',
    });
  });
  test.each(['', '*', '*.', 'a/b', 'ftp://a', 'user@a', 'a:99999', 'https://a/path', 'a b', 'a.*.b'])(
    'callbacks of jobs may not go to %j',
    (host) => {
      const policy = { jobs: { callbacks: { hosts: [host], secret: 's' } } };
      expect(() => parsePolicy(policy)).toThrow('jobs.callbacks.hosts');
    },
  );
  test('alerts', () => {
    expect(
      whole({ alerts: [{ webhook: 'https://hooks.example/x', secret: 's', on: ['limit-alert'] }] }).alerts,
    ).toEqual([{ webhook: 'https://hooks.example/x', secret: 's', on: ['limit-alert'] }]);
  });
});

describe('what does nothing as it stands', () => {
  const remarksOf = (policy: object, options?: object) => parsePolicy(policy, options).remarks;

  test('is no mistake, and told with its place, its value and its remedy', () => {
    const policy = { queue: { aging: '20s', depth: 5 } };
    const remark =
      'queue.aging is "20s" and does nothing: priorities that are weighted share the slots. Say `priority: strict` beside it, or leave it out.';
    expect(remarksOf(policy)).toEqual([remark]);
    expect(parsePolicy(policy).queue).toMatchObject({ priority: 'weighted', depth: 5, agingMs: 20_000 });
    const positions = () => ({ line: 3, column: 5 });
    expect(remarksOf(policy, { file: 'headgate.yaml', positions })).toEqual([`headgate.yaml:3:5: ${remark}`]);
    expect(remarksOf(policy, { file: 'headgate.yaml' })).toEqual([`headgate.yaml: ${remark}`]);
    expect(remarksOf({ queue: { aging: variable('AGING') } }, { env: { AGING: '9s' } })).toEqual([
      remark.replace('20s', variable('AGING')),
    ]);
  });

  test.each<[policy: object, remark: RegExp]>([
    [
      { jobs: { depth: 5 } },
      /^jobs is a mapping with 1 key and does nothing: they are kept in Redis\. Say `store: redis:/,
    ],
    [
      { identity: [{ apiKey: { keys: { k: { id: 'a' } }, newNames: '5/hour' } }] },
      /^identity\[0\]\.apiKey\.newNames is "5\/hour" and does nothing: .* Say `unknown: accept` beside it/,
    ],
  ])('is told of %j', (policy, remark) => {
    expect(remarksOf(policy)).toEqual([expect.stringMatching(remark)]);
  });

  test.each([
    {},
    { queue: {} },
    { queue: { priority: 'strict', aging: '20s' } },
    { jobs: { depth: 0 } },
    { jobs: { depth: 5 }, store: 'redis://127.0.0.1:6379' },
    { identity: [{ apiKey: { newNames: '5/hour' } }] },
  ])('is nothing in %j', (policy) => {
    expect(remarksOf(policy)).toEqual([]);
  });
});

describe('options that are pinned', () => {
  const optionsOf = (options: object, env: Record<string, string> = {}) =>
    parsePolicy({ guard: { options } }, { env }).guard.options;

  test('are what Ollama takes them for, also where they come as text out of the environment', () => {
    const given = {
      num_ctx: variable('CONTEXT'),
      temperature: '0.2',
      use_mmap: 'false',
      shift: true,
      num_predict: -1,
      seed: 7,
    };
    expect(optionsOf(given, { CONTEXT: '16384' })).toEqual({
      num_ctx: 16_384,
      temperature: 0.2,
      use_mmap: false,
      shift: true,
      num_predict: -1,
      seed: 7,
    });
  });

  test('may be of a newer Ollama: a name that is like none goes through as it is', () => {
    const given = { num_ctx: 4096, speculative_draft: 'x', kv_cache_type: 'q8_0' };
    expect(optionsOf(given)).toEqual(given);
    // Ollama passes over what it does not know, so these did no harm.
    const near = { top_n: 5, min_k: 1, num_gqa: 8, top_a: 0.1, num_beams: 2 };
    expect(optionsOf(near)).toEqual(near);
  });

  test('may be what Ollama takes for nothing in particular, and flags 0 or 1', () => {
    const given = { main_gpu: -1, num_thread: -1, num_gpu: -1, mirostat: -1, draft_num_predict: -1, top_k: -1 };
    expect(optionsOf(given)).toEqual(given);
    const numbers = { temperature: -1, top_p: -1, min_p: -1, typical_p: -1 };
    expect(optionsOf(numbers)).toEqual(numbers);
    const flags = { numa: 1, use_mmap: 0, low_vram: '1', use_mlock: variable('LOCK') };
    expect(optionsOf(flags, { LOCK: '0' })).toEqual({ numa: true, use_mmap: false, low_vram: true, use_mlock: false });
  });
});
