import { describe, expect, test } from 'vitest';
import { ask, embedding, forwarded, smallest } from './asking.js';

const kelvin = '\u212a';
const longS = '\u017f';

describe('a key that Go would read as another is refused, by name', () => {
  const bodies = { ...smallest, ...embedding };

  test.each(Object.keys(bodies))('%s: every known key of the smallest body, in another case', (path) => {
    for (const key of Object.keys(bodies[path]!)) {
      for (const alike of [key.toUpperCase(), key[0]!.toUpperCase() + key.slice(1)]) {
        const added = ask(path, { ...bodies[path], [alike]: 'x' });
        expect(added).toMatchObject({
          reason: 'bad-request',
          status: 400,
          message: expect.stringContaining(`"${alike}"`),
        });
        expect(added).toMatchObject({ message: expect.stringContaining(`write it "${key}"`) });
      }
    }
  });

  test.each([
    ['/api/chat', { [`${longS}tream`]: false }],
    ['/api/chat', { STREAM: false }],
    ['/api/chat', { OPTIONS: { num_predict: 5 } }],
    ['/api/chat', { [`option${longS}`]: {} }],
    ['/api/chat', { [`${kelvin}eep_alive`]: -1 }],
    ['/api/chat', { Keep_Alive: '1h' }],
    ['/api/chat', { options: { NUM_CTX: 5 } }],
    ['/api/chat', { messages: [{ role: 'user', content: 'a', Content: 'b' }] }],
    ['/api/chat', { messages: [{ role: 'user', content: 'a', Image: 'b', [`Image${longS}`]: [] }] }],
    ['/api/chat', { messages: [{ role: 'user', content: 'a', tool_calls: [{ Function: {} }] }] }],
    ['/api/generate', { Context: [1, 2] }],
    ['/api/generate', { [`${longS}uffix`]: 'x' }],
    ['/v1/chat/completions', { Max_Tokens: 5 }],
    ['/v1/chat/completions', { [`max_to${kelvin}ens`]: 5 }],
    ['/v1/chat/completions', { N: 3 }],
    ['/v1/chat/completions', { stream: true, stream_options: { Include_Usage: true } }],
    ['/v1/chat/completions', { messages: [{ Role: 'tool', role: 'user', content: 'x' }] }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: [{ type: 'text', text: 'a', Text: 'b' }] }] }],
    ['/v1/completions', { Best_Of: 3 }],
    ['/v1/responses', { MAX_OUTPUT_TOKENS: 3 }],
    ['/v1/responses', { input: [{ role: 'user', content: 'a', Content: 'b' }] }],
    ['/v1/messages', { System: 'x' }],
    ['/v1/messages', { messages: [{ role: 'user', content: [{ type: 'text', text: 'a', TEXT: 'b' }] }] }],
    [
      '/v1/messages',
      { messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ type: 'text', Text: 'b' }] }] }] },
    ],
  ])('%s %j', (path, more) => {
    expect(ask(path, { ...smallest[path], ...more })).toMatchObject({
      reason: 'bad-request',
      status: 400,
      message: expect.stringMatching(/^unknown field ".+" in .+: write it ".+"$/),
    });
  });
});

describe('a key that no backend knows passes untouched', () => {
  const unknown = { metadata2: { Model: 1, deep: [{ ſtream: true }] }, 'X-Thing': null, _debug: [1, 'a'] };

  test.each(Object.keys({ ...smallest, ...embedding }))('%s', (path) => {
    expect(forwarded(path, { ...{ ...smallest, ...embedding }[path], ...unknown })).toMatchObject(unknown);
  });

  test('also in messages, and in the schemas of tools', () => {
    const tools = [
      {
        type: 'function',
        function: { name: 'f', parameters: { type: 'object', properties: { Model: {}, MODEL: {} } } },
      },
    ];
    const messages = [{ role: 'user', content: 'a', cache_control: { Type: 1 } }];
    for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
      expect(forwarded(path, { ...smallest[path], tools, messages })).toMatchObject({ tools, messages });
    }
  });

  test('a key __proto__ is forwarded as the key it is, and sets nothing', () => {
    const body = JSON.parse('{"model":"m","prompt":"hi","__proto__":{"stream":false,"options":{"num_predict":1}}}');
    const reading = ask('/api/generate', body);
    expect(reading).toMatchObject({ stream: true });
    expect(reading).not.toHaveProperty('outputTokensMax');
    expect(Object.keys(forwarded('/api/generate', body))).toContain('__proto__');
  });
});
