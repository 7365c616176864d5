import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ownAddress } from '../../../../test/support/addresses.js';
import { chat, fake, gatewayFor, generate, post, until } from '../support/harness.js';
import { fileWith, program } from '../support/program.js';

const streamed = { ...chat, stream: true };

describe('headgate serve', () => {
  it('says once that it listens, serves by its policy, and logs one line a request to stdout', async () => {
    const backend = await fake();
    const file = await fileWith(`
requests: 2/min
identity:
  - apiKey:
      keys: { sk-1: { id: team-a } }
backends: [${backend.url}]
`);
    const gateway = program(['serve', '--config', file, '--port', '0']);
    const url = await gateway.url();
    const key = { authorization: 'Bearer sk-1' };
    for (const status of [200, 200, 429]) {
      const answer = await post(`${url}/api/generate`, { ...generate, prompt: 'tell nobody' }, key);
      expect(answer.status).toBe(status);
      await answer.arrayBuffer();
    }
    expect((await post(`${url}/api/generate`, generate)).status).toBe(401);
    await until(() => gateway.stdout().trim().split('\n').length === 5, 'four requests are logged');
    const [first, ...rest] = gateway.stdout().trim().split('\n');
    expect(first).toBe(`listening on ${url}`);
    const lines = rest.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ level, status, reason }) => [level, status, reason])).toEqual([
      ['info', 200, undefined],
      ['info', 200, undefined],
      ['warn', 429, 'limit'],
      ['warn', 401, 'unauthorized'],
    ]);
    expect(lines[0]).toMatchObject({
      identity: 'team-a',
      address: '127.0.0.1',
      dialect: 'ollama',
      operation: 'generate',
      model: 'llama3.2',
      tries: 1,
      outputTokens: 18,
    });
    expect(lines[2]).toMatchObject({ limit: 'requests.min', mode: 'enforce' });
    expect(lines[3]).toMatchObject({ address: '127.0.0.1' });
    expect(gateway.stdout() + gateway.stderr()).not.toMatch(/sk-1|tell nobody/);
  });

  it('on SIGTERM lets running answers end, answers who waits with 503, takes nobody in, and exits 0', async () => {
    const backend = await fake({ faults: { stallAfterTokens: 5 } });
    const gateway = program(['serve', '--port', '0', '--backend', backend.url]);
    const url = await gateway.url();
    const running = await post(`${url}/api/chat`, streamed);
    const waiting = post(`${url}/api/chat`, streamed);
    while ((await metric(url, 'headgate_requests_waiting')) < 1);
    gateway.child.kill('SIGTERM');
    const refused = await waiting;
    expect(refused.status).toBe(503);
    expect(refused.headers.get('x-headgate-reason')).toBe('draining');
    expect(refused.headers.get('connection')).toBe('close');
    await expect(post(`${url}/api/chat`, streamed)).rejects.toThrow();
    backend.set({ stallAfterTokens: undefined });
    const lines = (await running.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ done: true, done_reason: 'stop' });
    expect(await gateway.exited).toBe(0);
  });

  it('cuts what is still running when the time to drain is over, with an error that clients see', async () => {
    const backend = await fake({ decodeTokensPerSecond: 50, outputTokens: 10_000 });
    const file = await fileWith(`drain: 200ms\nbackends: [${backend.url}]\n`);
    const gateway = program(['serve', '--config', file, '--port', '0']);
    const running = await post(`${await gateway.url()}/api/chat`, streamed);
    gateway.child.kill('SIGTERM');
    const lines = (await running.text()).trim().split('\n');
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ error: expect.stringContaining('shutting down') });
    expect(await gateway.exited).toBe(0);
    const logged = gateway.stdout().trim().split('\n').at(-1)!;
    expect(JSON.parse(logged)).toMatchObject({ status: 200, cut: 'closing', outputTokens: lines.length - 1 });
    await backend.waitFor(() => backend.stats().aborted === 1);
  });

  it('ends at once on a second SIGTERM', async () => {
    const backend = await fake({ decodeTokensPerSecond: 50, outputTokens: 10_000 });
    const gateway = program(['serve', '--port', '0', '--backend', backend.url]);
    const running = await post(`${await gateway.url()}/api/chat`, streamed);
    gateway.child.kill('SIGTERM');
    await until(() => gateway.stderr().includes('draining'), 'it drains');
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    await expect(running.text()).rejects.toThrow();
  });

  it('takes the port from PORT, and the backend from OLLAMA_HOST', async () => {
    const backend = await fake();
    const host = ownAddress();
    const free = await fake({ host });
    await free.close();
    const [PORT, OLLAMA_HOST] = [String(free.port), `127.0.0.1:${backend.port}`];
    const gateway = program(['serve', '--host', host], { PORT, OLLAMA_HOST });
    expect(await gateway.url()).toBe(free.url);
    expect((await post(`${await gateway.url()}/api/generate`, generate)).status).toBe(200);
    expect(gateway.stderr()).toContain('60 requests per minute, burst 10');
  });

  it('takes several backends', async () => {
    const backends = [await fake(), await fake()];
    const [first, second] = backends.map(({ url }) => url) as [string, string];
    const gateway = program(['serve', '--port', '0', '--backend', first, '--backend', second]);
    const url = await gateway.url();
    // Of requests that need no model each takes the next one.
    for (let times = 0; times < 2; times++) await (await fetch(`${url}/api/version`)).arrayBuffer();
    expect(backends.map(({ seen }) => seen.length)).toEqual([1, 1]);
  });

  it('names a taken port and the remedy in one line', async () => {
    const other = await gatewayFor({ backends: ['http://127.0.0.1:1'] });
    const gateway = program(['serve', '--port', String(other.port), '--backend', 'http://127.0.0.1:1']);
    expect(await gateway.exited).toBe(1);
    expect(gateway.stderr().trim().split('\n').at(-1)).toBe(
      `headgate: port ${other.port} on 127.0.0.1 is taken: stop what listens there, or choose another with --port N or PORT=N`,
    );
    expect(gateway.stdout()).toBe('');
  });

  it('says that the access log cannot be written', async () => {
    const file = await fileWith('log: { access: /dev/null/access.txt }\nbackends: [http://127.0.0.1:1]\n');
    const gateway = program(['serve', '--config', file, '--port', '0']);
    expect(await gateway.exited).toBe(1);
    expect(gateway.stderr()).toMatch(
      /^headgate: the access log \/dev\/null\/access\.txt cannot be written \(E\w+\)\n$/,
    );
  });

  it('writes the access log to a file, as nginx does where told to', async () => {
    const backend = await fake();
    const logFile = await fileWith('', 'access.txt');
    const file = await fileWith(`log: { access: ${logFile}, format: combined }\nbackends: [${backend.url}]\n`);
    const gateway = program(['serve', '--config', file, '--port', '0']);
    const agent = { 'user-agent': 'a "quoted" agent', authorization: 'Bearer sk-1' };
    await (await post(`${await gateway.url()}/api/generate?key=sk-1`, generate, agent)).arrayBuffer();
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(await readFile(logFile, 'utf8')).toMatch(
      /^127\.0\.0\.1 - key:[0-9a-f]+ \[\d\d\/\w{3}\/\d{4}:[\d:]+ \+0000\] "POST \/api\/generate HTTP\/1\.1" 200 \d+ "-" "a \\x22quoted\\x22 agent" 127\.0\.0\.1:\d+ [\d.]+ [\d.]+ [\d.]+\n$/,
    );
    expect(gateway.stdout().trim().split('\n')).toHaveLength(1);
  });
});

describe('headgate demo', () => {
  it('stands in front of the Ollama that OLLAMA_HOST names, says so, and proposes what works', async () => {
    const backend = await fake({ models: ['nomic-embed-text', 'mistral:7b'] });
    const demo = program(['demo', '--port', '0'], { OLLAMA_HOST: backend.url });
    const url = await demo.url();
    await until(() => demo.stdout().includes('/metrics'), 'it has said what to try');
    expect(demo.stdout()).toContain(`in front of Ollama at ${backend.url}`);
    expect(demo.stdout()).toContain('10 requests per minute, burst 3');
    expect(demo.stdout()).toContain('"model":"mistral:7b"');
    const ask = { ...generate, model: 'mistral:7b' };
    // All at once, so that hardly any time passes in which one more may come.
    const asked = Array.from({ length: 5 }, () => post(`${url}/api/generate`, ask));
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 200, 200, 429, 429]);
    demo.child.kill('SIGTERM');
    expect(await demo.exited).toBe(0);
  });

  it('stands in front of simulated servers, or of an Ollama where it usually is, when that one does not answer', async () => {
    const demo = program(['demo'], { PORT: '0', OLLAMA_HOST: 'http://127.0.0.1:1' });
    const url = await demo.url();
    await until(() => /in front of (two simulated|Ollama at)/.test(demo.stdout()), 'it says which');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });
});

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}
