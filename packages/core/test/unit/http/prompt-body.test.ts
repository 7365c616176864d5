import { defaultDialects } from '@headgate/dialects';
import { describe, expect, test } from 'vitest';
import { applicationGate } from '../../../src/http/adapter.js';
import type { BodyOutcome } from '../../../src/http/passage.js';
import { createLimiter } from '../../../src/index.js';
import { Departure } from '../../../src/kernel/signal.js';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What a chat below a prefix behind the limiter counts as, or why it is refused. */
async function asked(outcome: BodyOutcome, headers = {}, path = '/api/chat'): Promise<unknown> {
  const limiter = createLimiter({ models: ['mistral'] });
  const outcomeOf = await applicationGate(limiter, defaultDialects).open({
    method: 'POST',
    target: path,
    otherwise: { method: 'PUT', target: `/crm${path}` },
    headers,
    remoteAddress: '127.0.0.1',
    signal: new Departure(),
    readBody: async () => outcome,
  });
  if (!outcomeOf.open) return outcomeOf.refusal.status;
  const { permit, route, unasked } = outcomeOf.passage;
  permit.cancel();
  return [
    route.operation,
    route.method,
    route.path,
    unasked === undefined ? undefined : new TextDecoder().decode(unasked),
  ];
}

const prompt = { model: 'mistral', messages: [{ role: 'user', content: 'Hi' }] };

describe('F13: where a request may be a prompt', () => {
  test('it counts as one where its body is one', async () => {
    expect(await asked({ ok: true, value: prompt })).toEqual(['chat', 'POST', '/api/chat', undefined]);
    expect(await asked({ ok: true, bytes: bytesOf(JSON.stringify(prompt)) })).toEqual([
      'chat',
      'POST',
      '/api/chat',
      undefined,
    ]);
    expect(await asked({ ok: true, value: { model: 'mistral' } })).toBe(403);
    expect(await asked({ ok: true, value: { ...prompt, model: 'llama3.2' } })).toBe(403);
  });

  test.each([
    '',
    '{}',
    '{"text":"model"}',
    '[{"model":"x"}]',
    '"model"',
    'model=x',
    '--b\r\nmodel\r\n--b--',
    '\u0001{',
  ])('it counts as what it is otherwise where nobody reads a prompt in its body: %j', async (text) => {
    expect(await asked({ ok: true, bytes: bytesOf(text) })).toEqual(['other', 'PUT', '/crm/api/chat', text]);
  });

  const urlencoded = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  const multipart = { 'content-type': 'Multipart/Form-Data; boundary=b' };
  const part = (parameters: string): string =>
    `--b\r\nContent-Disposition: form-data; ${parameters}\r\n\r\nmistral\r\n--b--`;

  test.each([
    ...['model=mistral', 'prompt=Hi&MODEL=x', 'a=b&%6D%4fdel=x', '?model=x', '\ufeffmodel=x', 'a&model&b'].map(
      (text) => [text, urlencoded] as const,
    ),
    ...['name="model"', 'name=Model', `name*=utf-8'en'%6dodel`, 'filename="a"; name = "mo\\del"'].map(
      (parameters) => [part(parameters), multipart] as const,
    ),
  ])('a form that names a model is refused, since a parser makes a prompt of it: %j', async (text, headers) => {
    expect(await asked({ ok: true, bytes: bytesOf(text) }, headers)).toBe(400);
  });

  test.each([
    ...['text=model', 'models=x', 'a=b%26model=x', 'car_model=x', 'model-year=x', ''].map(
      (text) => [text, urlencoded] as const,
    ),
    ...['name="text"; filename="model"', 'name="model-year"', 'name="text"'].map(
      (parameters) => [part(parameters), multipart] as const,
    ),
  ])('and one that names none is not: %j', async (text, headers) => {
    expect(await asked({ ok: true, bytes: bytesOf(text) }, headers)).toEqual(['other', 'PUT', '/crm/api/chat', text]);
  });

  test.each([{ text: 'x' }, [], 'model', undefined, null, 7])(
    'and so where it was parsed before: %j',
    async (value) => {
      expect(await asked({ ok: true, value })).toEqual(['other', 'PUT', '/crm/api/chat', undefined]);
    },
  );

  test.each([
    '{"Model":"x","messages":[]}',
    '{"MODEL":1}',
    '{"model":"mistral","model":"llama3.2","messages":[]}',
    '{"text":1,"text":2}',
    ' \t\r\n{',
    '\ufeff{"model":"x"}',
    '\u0000{\u0000}',
  ])('what may be one to somebody is refused as anywhere else: %j', async (text) => {
    expect(await asked({ ok: true, bytes: bytesOf(text) })).toBe(400);
  });

  test('so is what cannot be seen whole', async () => {
    expect(await asked({ ok: false, reason: 'too-large' })).toBe(413);
    expect(await asked({ ok: false, reason: 'timeout' })).toBe(400);
    expect(await asked({ ok: true, bytes: bytesOf('?') }, { 'content-encoding': 'gzip' })).toBe(415);
  });

  test('and what is no path otherwise', async () => {
    expect(await asked({ ok: true, value: {} }, {}, '/api/chat/%2f')).toBe(404);
  });
});
