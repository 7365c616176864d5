import { expect, test } from 'vitest';
import { chat, generate, post, setup, until } from '../support/harness.js';

test('the log ends with who was refused by what, limits in shadow told apart', async () => {
  const { gateway, url, log } = await setup({
    identity: [{ apiKey: { keys: { 'sk-1': { id: 'ann' } } } }],
    limits: [
      { name: 'gen', match: { operation: 'generate' }, requests: '1/hour' },
      { name: 'trial', match: { operation: 'chat' }, requests: '1/hour', mode: 'shadow' },
    ],
  });
  const ask = async (key: string, path = '/api/generate', body: object = generate): Promise<number> => {
    const answer = await post(url + path, body, { authorization: `Bearer ${key}` });
    await answer.arrayBuffer();
    return answer.status;
  };
  expect([await ask('sk-1'), await ask('sk-1'), await ask('sk-1'), await ask('sk-2')]).toEqual([200, 429, 429, 401]);
  expect([await ask('sk-1', '/api/chat', chat), await ask('sk-1', '/api/chat', chat)]).toEqual([200, 200]);
  await until(() => log.filter(({ requestId }) => requestId !== undefined).length === 6, 'all six are in the log');
  await gateway.close({ drainMs: 0 });
  const { most, refused, wouldRefuse } = log.at(-1)!;
  expect({ refused, wouldRefuse }).toEqual({ refused: 3, wouldRefuse: 1 });
  expect(most).toContainEqual({ identity: 'ann', by: 'trial', mode: 'shadow', count: 1 });
  expect(most).toContainEqual({ identity: 'ann', by: 'gen', mode: 'enforce', count: 2 });
  expect(most).toContainEqual({ address: '127.0.0.1', by: 'unauthorized', mode: 'enforce', count: 1 });
});

test('a log in which nobody was refused has no such line', async () => {
  const { gateway, url, log } = await setup({});
  await (await post(`${url}/api/generate`, generate)).arrayBuffer();
  await until(() => log.length === 1, 'the request is in the log');
  await gateway.close({ drainMs: 0 });
  expect(log.map(({ event }) => event)).toEqual([undefined]);
});
