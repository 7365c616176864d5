/** What the README shows is what a reader gets who types the same. */
import { startFakeOllama } from '@headgate/fake-ollama';
import { startGateway } from '@headgate/gateway';
import { expect, test } from 'vitest';
import { demoPolicy } from '../../packages/gateway/src/config/default-policies.js';
import { page } from '../support/markdown.js';
import { stillTime } from '../support/still-time.js';

const shown = page('README.md').blocks.find(({ language }) => language === 'console')!.text;

/** The parts that are another each time: instants, waits, ids, and what has come in meanwhile. */
function steady(text: string): string {
  return text
    .replace(/^(x-ratelimit-reset|retry-after|retry-after-ms|date): .*$/gim, '$1: ...')
    .replace(/req_[0-9a-f]{24}/g, 'req_...')
    .replace(/;t=[1-9]\d*/g, ';t=...')
    .replace(/"requests\.min";r=\d+/g, '"requests.min";r=...')
    .replace(/try again in \d+s/g, 'try again in ...');
}

test('the fourth request of the first screen is refused as shown, header by header', async () => {
  stillTime();
  const server = await startFakeOllama();
  const gateway = await startGateway({ policy: demoPolicy, port: 0, backends: [server.url], log: false });
  try {
    const [, body = ''] = / -d '([^']+)'/.exec(shown) ?? [];
    const ask = (): Promise<Response> => fetch(`${gateway.url}/api/generate`, { method: 'POST', body });
    for (const _ of [1, 2, 3]) {
      const answer = await ask();
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
    const answer = await ask();
    const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
    const got = [`HTTP/1.1 ${answer.status} ${answer.statusText}`, ...head, '', await answer.text()];
    expect(lines(got.join('\n'))).toEqual(lines(shown.slice(shown.indexOf('HTTP/1.1')).trim()));
  } finally {
    await gateway.close({ drainMs: 0 });
    await server.close();
  }
});

/** In any order, since that of headers says nothing, and their names in any case. */
function lines(text: string): string[] {
  return steady(text)
    .split('\n')
    .map((line) => line.replace(/^[\w-]+: /, (name) => name.toLowerCase()))
    .sort();
}
