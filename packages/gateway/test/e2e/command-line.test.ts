import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { fileWith, program } from '../support/program.js';

/** Runs to the end. */
async function ran(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const run = program(args);
  const status = await run.exited;
  return { status, out: run.stdout(), err: run.stderr() };
}

describe('the command line', () => {
  it('explains itself', async () => {
    const { status, out } = await ran('--help');
    expect(status).toBe(0);
    for (const command of ['serve', 'check', 'key', 'demo']) expect(out).toContain(`headgate ${command}`);
    expect((await ran('serve', '--help')).out).toBe(out);
    expect((await ran('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [[], 'a command is missing'],
    [['server'], 'there is no command "server"'],
    [['serve', '--prot', '1'], "unknown option '--prot'"],
    [['serve', '--port', 'http'], '--port must be a port from 0 to 65535, not "http"'],
    [['serve', '--port', '70000'], '--port must be a port from 0 to 65535, not "70000"'],
    [
      ['serve', '--backend', 'localhost:11434'],
      '--backend "localhost:11434": expected the address of a server, http or https, such as `http://127.0.0.1:11434`; did you mean http://localhost:11434?',
    ],
    [['serve', '--backend', 'http://u:secret@a'], '--backend "http://***@a": expected the address of a server'],
    [['serve', '--backend', 'http://a', '--backend', 'http://a'], '--backend "http://a": expected a `name` of its own'],
    [['serve', '--host', 'localhost:80'], '--host must be an address or a name alone, such as 0.0.0.0'],
    [['serve', '--host', 'http://a'], '--host must be an address or a name alone'],
    [['serve', 'extra'], 'unexpected argument "extra"'],
    [['serve', 'own.yaml'], 'unexpected argument "own.yaml": a policy is given as --config own.yaml'],
    [['serve', 'http://gpu1'], 'unexpected argument "http://gpu1": a backend is given as --backend URL'],
    [['serve', '--config', ''], '--config needs a value'],
    [['serve', '--config', 'a', '--config', 'b'], '--config stands twice'],
    [['check'], 'it takes one FILE'],
    [['check', ''], 'an argument is empty'],
    [['key', '--id', 'a b'], '--id must be a word'],
    [['demo', 'extra'], "unexpected argument 'extra'"],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { status, out, err } = await ran(...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

describe('headgate check', () => {
  it('prints the limits of every tier, and those on top', async () => {
    const file = await fileWith(`
requests: 60/min burst 10
tiers:
  free: { requests: 5/min, tokens: [10k/hour, 50k/day], models: [llama3.2], output: 512 }
limits:
  - { name: generate, match: { operation: generate }, requests: 10/min burst 3 }
  - { name: house, per: all, concurrency: 100 }
`);
    const { status, out } = await ran('check', file);
    expect(status).toBe(0);
    const rows = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(rows).toContainEqual(['tier default']);
    expect(rows).toContainEqual(['requests.min', '60 requests per minute, burst 10', 'per identity']);
    expect(rows).toContainEqual(['models', 'llama3.2']);
    expect(rows).toContainEqual(['free.tokens.day', '50k tokens per day (calendar)', 'per identity']);
    expect(rows).toContainEqual([
      'generate',
      '10 requests per minute, burst 3',
      'per identity, for operation generate',
    ]);
    expect(rows).toContainEqual(['house', '100 requests at once', 'per all, more wait in the queue']);
  });

  it('names file, line, path, value and what was expected of each problem', async () => {
    const file = await fileWith('listen: 8080\nrequests: 60/fortnight\ntiers:\n  free: { reqests: 5/min }\n');
    const { status, out, err } = await ran('check', file);
    expect([status, out]).toEqual([1, '']);
    expect(err).toContain(`${file}:2:1: requests`);
    expect(err).toContain('got "60/fortnight"');
    expect(err).toContain(`${file}:4:11: tiers.free.reqests`);
    expect(err).toContain('did you mean `requests`?');
  });

  it('says where a file is no YAML', async () => {
    const file = await fileWith('requests: 60/min\nlimits: [ {name: a\n');
    const { status, err } = await ran('check', file);
    expect(status).toBe(1);
    expect(err).toMatch(new RegExp(`^headgate: ${file}:\\d+:\\d+: `));
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('reads JSON, and positions in it', async () => {
    const file = await fileWith('{\n  "requests": "60/min",\n  "queue": { "depth": -1 }\n}', 'policy.json');
    expect((await ran('check', file)).err).toContain(`${file}:3:14: queue.depth`);
  });

  it.each([
    ['/nowhere/headgate.yaml', 'there is no such file'],
    ['/dev/null/headgate.yaml', 'there is no such file: a part of the path is no directory'],
    [tmpdir(), 'it is a directory; name the file in it'],
  ])('says in one line that %s cannot be read, as serve does', async (file, why) => {
    const { status, err } = await ran('check', file);
    expect([status, err]).toEqual([1, `headgate: ${file}: ${why}\n`]);
    expect(await ran('serve', '--config', file)).toEqual({ status, out: '', err });
  });

  it('warns of a policy that says nothing', async () => {
    for (const text of ['', '# requests: 60/min\n', '---\n']) {
      const { status, err } = await ran('check', await fileWith(text));
      expect(status).toBe(0);
      expect(err).toMatch(/^headgate: warning: this policy sets no limits/);
    }
  });

  it('takes keys from the environment and shows none of them', async () => {
    const variable = `$\{BATCH_KEY}`;
    const file = await fileWith(`identity:\n  - apiKey:\n      keys: { "${variable}": { id: batch, teir: x } }\n`);
    const run = program(['check', file], { BATCH_KEY: 'sk-from-the-environment' });
    expect(await run.exited).toBe(1);
    expect(run.stderr()).toContain(variable);
    expect(run.stderr()).not.toContain('sk-from');
  });
});

describe('headgate key', () => {
  it('makes a new key each time, and a line for the policy that recognises it', async () => {
    const { status, out } = await ran('key', '--id', 'team-a', '--tier', 'premium');
    expect(status).toBe(0);
    const [secret = ''] = out.split('\n');
    expect(secret).toMatch(/^hg-[\w-]{32}$/);
    expect(out).toContain(`sha256:${createHash('sha256').update(secret).digest('hex')}: { id: team-a, tier: premium }`);
    expect((await ran('key')).out).not.toContain(secret);
  });

  it('prints a line that the policy reads', async () => {
    const { out } = await ran('key', '--id', 'team-a');
    const lines = out.split('\n').slice(out.split('\n').findIndex((line) => line.includes('- apiKey:')));
    const file = await fileWith(`identity:\n${lines.join('\n')}\n`);
    expect((await ran('check', file)).status).toBe(0);
  });
});
