/** Secrets, wherever they stand, against all that the program ever says: answers, logs, metrics, messages, backends. */
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { fake, generate, post, until } from '../support/harness.js';
import { fileWith, program } from '../support/program.js';
import { raw } from '../support/raw.js';

const secrets = {
  plain: 'sk-plain-aaaaaaaa',
  environment: 'sk-env-bbbbbbbb',
  admin: 'adm-cccccccc',
  webhook: 'whs-dddddddd',
  backend: 'bk-eeeeeeee',
  wrong: 'sk-wrong-ffffffff',
  inPath: 'sk-path-gggggggg',
  inQuery: 'sk-query-hhhhhhhh',
  ownHeader: 'sk-own-iiiiiiii',
  cookie: 'sid-jjjjjjjj',
  // As a token looks, whose claims are a secret too.
  token: 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJra2tra2trayJ9.bGxsbGxsbGw',
  slipped: 'sk-slipped-mmmmmmmm',
  hashed: 'sk-hashed-nnnnnnnn',
};

const policy = (backend: string, log: string, format: string): string => `
identity:
  - apiKey:
      from: [authorization, x-api-key, path, "header:x-own-key"]
      keys:
        ${secrets.plain}: { id: plain }
        $\{BATCH_KEY}: { id: batch }
        sha256:${'0'.repeat(64)}: { id: hashed }
  - jwt: { jwks: "http://127.0.0.1:9/jwks?sig=${secrets.backend}" }
admin: { key: ${secrets.admin} }
alerts: [{ webhook: "http://127.0.0.1:9/${secrets.webhook}", secret: ${secrets.webhook}, on: [limit-alert] }]
limits:
  - { name: guessing, per: address, failures: 3/min, block: 1min, alertAt: 0.5 }
  - { name: few, requests: 2/min, alertAt: 0.5 }
backends: [{ url: "${backend}", headers: { x-backend-key: ${secrets.backend} } }]
log: { access: ${log}, format: ${format} }
`;

/** Whole, and as somebody might cut or encode it. */
function traces(secret: string): string[] {
  return [secret, secret.slice(-8), encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
}

describe.each(['json', 'combined', 'pretty'])('with the log as %s', (format) => {
  it('no secret is in an answer, a log, a metric, a message or a request to a backend', async () => {
    const backend = await fake();
    const log = await fileWith('', 'access.log');
    const file = await fileWith(policy(backend.url, log, format));
    const gateway = program(['serve', '--config', file, '--port', '0'], { BATCH_KEY: secrets.environment });
    const url = await gateway.url();
    const port = Number(new URL(url).port);
    const said: string[] = [];
    const ask = async (
      path: string,
      headers: Record<string, string> = {},
      body: unknown = generate,
    ): Promise<number> => {
      const answer = await post(url + path, body, headers);
      said.push(JSON.stringify([...answer.headers]), await answer.text());
      return answer.status;
    };
    const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
    const statuses = new Set<number>();
    for (const headers of [
      ...[bearer(secrets.plain), bearer(secrets.environment), bearer(secrets.plain), bearer(secrets.plain)],
      ...[
        bearer(secrets.wrong),
        { 'x-api-key': secrets.wrong },
        { 'x-own-key': secrets.ownHeader },
        bearer(secrets.token),
      ],
      ...[
        bearer(secrets.hashed),
        { ...bearer(secrets.plain), cookie: `sid=${secrets.cookie}`, 'x-own-key': secrets.ownHeader },
      ],
      { ...bearer(secrets.environment), 'x-api-key': secrets.wrong, referer: `https://x/?key=${secrets.inQuery}` },
    ]) {
      for (const path of [
        '/api/generate',
        '/v1/chat/completions',
        '/v1/messages',
        '/nowhere',
        `/api/generate?key=${secrets.inQuery}`,
      ]) {
        statuses.add(await ask(path, headers));
      }
    }
    for (const path of [
      `/k/${secrets.inPath}/api/generate`,
      `/%6b/${secrets.inPath}/api/tags`,
      `/k/${secrets.plain}/api/tags`,
    ]) {
      statuses.add(await ask(path));
    }
    statuses.add(await ask('/api/generate', bearer(secrets.environment), '{"model": broken'));
    said.push(await raw(port, 'GARBAGE', `/k/${secrets.inPath}/x`, '', `authorization: Bearer ${secrets.wrong}\r\n`));
    said.push(
      await raw(
        port,
        'POST',
        '/api/generate',
        '{}',
        `authorization: Bearer ${secrets.wrong}\r\nauthorization: ${secrets.plain}\r\n`,
      ),
    );
    for (const headers of [{}, { ...bearer(secrets.admin), via: 'x' }, { ...bearer(secrets.wrong), via: 'x' }]) {
      const answer = await fetch(`${url}/metrics`, { headers });
      said.push(JSON.stringify([...answer.headers]), await answer.text());
    }
    expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 400, 401, 404, 429]));

    const reports = (): number => gateway.stderr().split('cannot be used').length - 1;
    const good = await readFile(file, 'utf8');
    const wrongOnes = [
      `${good}\nadmin: { key: ${secrets.admin} }\n`,
      good.replace('{ id: plain }', `{ id: "${secrets.slipped} x" }`),
      good.replace('admin: { key:', `admin: { ${secrets.slipped}: 1, key:`),
      good.replace('  - apiKey:\n', `  - ${secrets.slipped}:\n`),
      good.replace(`x-backend-key: ${secrets.backend}`, `x-backend-key: [${secrets.slipped}]`),
    ];
    for (const [n, text] of wrongOnes.entries()) {
      await writeFile(file, text);
      gateway.child.kill('SIGHUP');
      await until(() => reports() > n, `report ${n + 1}`);
    }
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);

    const lines = await readFile(log, 'utf8');
    expect(lines.split('\n').length).toBeGreaterThan(50);
    const forwarded = backend.seen.map(({ headers, body }) => {
      const { 'x-backend-key': _own, ...rest } = headers as Record<string, string>;
      return JSON.stringify([rest, body.toString()]);
    });
    const outputs = {
      answers: said.join('\n'),
      log: lines,
      stdout: gateway.stdout(),
      stderr: gateway.stderr(),
      backend: forwarded.join('\n'),
    };
    for (const [name, secret] of Object.entries(secrets)) {
      for (const [where, text] of Object.entries(outputs)) {
        const found = traces(secret).filter((trace) => text.includes(trace));
        expect(found, `${name} in ${where}`).toEqual([]);
      }
    }
  });
});
