import { isRefusal, type JsonValue, type Route } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { anthropicDialect, ollamaDialect, openaiDialect } from '../../src/index.js';

const mayUse = (model: string) => model === 'llama3.2';

function redacted(dialect: typeof ollamaDialect, method: string, path: string, body: JsonValue): JsonValue | undefined {
  const route = dialect.route(method, path);
  if (route === undefined || isRefusal(route)) throw new Error(`no route for ${path}`);
  return dialect.redact!(route as Route, body, mayUse);
}

describe('listings show only what may be used', () => {
  test('/api/tags and /api/ps', () => {
    const models = [
      { name: 'Llama3.2:latest', model: 'Llama3.2:latest', size: 1 },
      { name: 'secret:70b', model: 'secret:70b' },
      { name: 'llama3.2' },
      'llama3.2',
      {},
    ];
    for (const path of ['/api/tags', '/api/ps']) {
      expect(redacted(ollamaDialect, 'GET', path, { models, more: 1 })).toEqual({
        models: [models[0], models[2]],
        more: 1,
      });
      expect(redacted(ollamaDialect, 'GET', path, { models: [] })).toEqual({ models: [] });
    }
  });

  test('/v1/models, also when there are none', () => {
    const data = [
      { id: 'llama3.2:latest', object: 'model' },
      { id: 'secret:70b', object: 'model' },
    ];
    expect(redacted(openaiDialect, 'GET', '/v1/models', { object: 'list', data })).toEqual({
      object: 'list',
      data: [data[0]],
    });
    expect(redacted(openaiDialect, 'GET', '/v1/models', { object: 'list', data: null })).toEqual({
      object: 'list',
      data: null,
    });
  });
});

test('/api/show keeps what a client needs and hides the rest', () => {
  const body = {
    license: 'l',
    modelfile: 'FROM /home/ann/x',
    template: 't',
    system: 's',
    messages: [{ role: 'user', content: 'x' }],
    tensors: [],
    parameters:
      'num_ctx    8192\nsystem    "You are\nBob \\"x\\""\nstop    "<|eot|>"\nSYSTEM """a\nb"""\ntemperature    1\nsystem plain words',
    details: { family: 'llama' },
    capabilities: ['completion'],
  };
  expect(redacted(ollamaDialect, 'POST', '/api/show', body)).toEqual({
    parameters: 'num_ctx    8192\nstop    "<|eot|>"\ntemperature    1\n',
    details: { family: 'llama' },
    capabilities: ['completion'],
  });
});

test('the link to sign the host in goes nowhere', () => {
  const body = { error: 'unauthorized', signin_url: 'https://example.test/connect?name=HOST&key=KEY' };
  expect(redacted(ollamaDialect, 'POST', '/api/chat', body)).toEqual({ error: 'unauthorized' });
  expect(redacted(ollamaDialect, 'POST', '/api/show', body)).toEqual({ error: 'unauthorized' });
  expect(redacted(openaiDialect, 'POST', '/v1/chat/completions', body)).toEqual({ error: 'unauthorized' });
  expect(redacted(anthropicDialect, 'POST', '/v1/messages', body)).toEqual({ error: 'unauthorized' });
});

test('where there is nothing to hide, nothing is made anew', () => {
  expect(redacted(ollamaDialect, 'POST', '/api/chat', { model: 'm' })).toBeUndefined();
  expect(redacted(ollamaDialect, 'GET', '/api/tags', 'not an object')).toBeUndefined();
  expect(redacted(openaiDialect, 'GET', '/v1/models/x', { id: 'x' })).toBeUndefined();
});
