/** A policy that says everything the language has, for tests that start from a right one. */
export const wholeEnvironment = {
  BATCH_KEY: 'sk-batch-key-001',
  ADMIN_KEY: 'admin-key-001',
  HOOK_SECRET: 'hook-secret-001',
};

const variable = (name: keyof typeof wholeEnvironment) => `\${${name}}`;
const hash = 'a'.repeat(64);

export const wholePolicy = {
  listen: '127.0.0.1:8080',
  store: { redis: 'redis://127.0.0.1:6379', prefix: 'hg', onDown: 'local-share' },
  timeZone: 'Europe/Berlin',
  identity: [
    {
      apiKey: {
        from: ['authorization', 'x-api-key', 'path'],
        unknown: 'refuse',
        newNames: '1000/hour',
        keys: {
          'sk-admin-key-001': { id: 'admin', tier: 'premium' },
          [`sha256:${hash}`]: { id: 'service', tier: 'premium', weight: 2 },
          [variable('BATCH_KEY')]: { id: 'batch', tier: 'batch', priority: 'low' },
        },
      },
    },
    {
      jwt: {
        jwks: 'https://idp.example/jwks',
        issuer: 'https://idp.example',
        audience: 'llm',
        id: 'sub',
        tier: 'plan',
      },
    },
    { address: { trustProxy: 1, ipv6Prefix: 64, tier: 'free' } },
  ],
  tiers: {
    free: {
      models: ['llama3.1:8b', 'mistral:7b'],
      priority: 'normal',
      requests: '60/min burst 10',
      tokens: ['100k/hour', '500k/day'],
      cost: '$5/day',
      concurrency: 5,
      input: '32k',
      output: 4096,
      contextAlert: 0.8,
      run: { toolCalls: 20, depth: 5, time: '120s', tokens: '200k' },
    },
    premium: { extends: 'free', models: ['*'], requests: '300/min burst 50', priority: 'high' },
    batch: { mode: 'shadow', requests: { limit: 60, per: 'min', burst: 10, algorithm: 'token-bucket' } },
  },
  limits: [
    { name: 'generate', match: { operation: 'generate' }, requests: '10/min burst 3' },
    { name: 'embed', match: { operation: 'embed' }, requests: '60/min burst 20' },
    { name: 'big-model', match: { model: 'llama3.1:70b' }, per: ['identity', 'model'], concurrency: 1 },
    { name: 'house', per: 'all', concurrency: 100 },
    { name: 'spend', per: 'all', cost: '$50/hour', alertAt: 0.8 },
    { name: 'guessing', per: 'address', failures: '5/min', block: '15min' },
    { name: 'trial', per: 'address', requests: '5/s', mode: 'shadow' },
    { match: { tier: 'free', not: { path: '/v1/*', method: 'GET' } }, requests: '10r/m burst=3', delay: false },
  ],
  queue: { depth: 200, wait: '30s', fairness: 'tokens', priority: 'strict', aging: '20s' },
  keys: '100k',
  client: { headers: '10s', body: '30s', keepAlive: '75s', idleRead: '60s', connections: 100, trustProxy: 0 },
  log: { access: 'stdout', format: 'json' },
  onClientGone: 'cancel',
  onBudgetSpent: 'finish-cleanly',
  reserve: 'expected',
  admin: { key: variable('ADMIN_KEY') },
  drain: '30s',
  prices: { 'llama3.1:70b': { input: '$0.60', output: '$0.80' }, '*': { gpuSecond: '$0.0006' } },
  backends: [
    { url: 'http://127.0.0.1:11434', slots: 1, weight: 1 },
    { url: 'http://127.0.0.1:11435', slots: 1, models: ['codellama:*'], name: 'gpu1', drain: false, headers: {} },
  ],
  pool: {
    pick: 'least-wait',
    health: { path: '/api/version', every: '10s', timeout: '2s', rise: 2, fall: 3 },
    eject: { failures: 3, for: '30s', max: '50%' },
    retry: { tries: 2, on: ['connect', 'reset', 502, 503], budget: '20%' },
    timeout: { connect: '2s', firstByte: '300s', idle: '120s', total: '30min', embed: { firstByte: '60s' } },
  },
  guard: {
    admin: 'deny',
    cloud: 'deny',
    options: { num_ctx: 8192 },
    keepAlive: '30min',
    inputs: 256,
    body: '20MiB',
    paths: [],
    origins: [],
  },
  headers: ['ietf', 'legacy', 'openai'],
  alerts: [
    { webhook: 'https://hooks.example/x', secret: variable('HOOK_SECRET'), on: ['limit-alert', 'backend-down'] },
  ],
};
