import { isRefusal, type Refusal, type Route } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { defaultDialects } from '../../src/index.js';

function ask(method: string, path: string): { dialect: string; found: Route | Refusal } {
  for (const dialect of defaultDialects) {
    const found = dialect.route(method, path);
    if (found !== undefined) return { dialect: dialect.name, found };
  }
  throw new Error('no dialect answered');
}

const digest = `sha256-${'0a'.repeat(32)}`;

describe('paths that exist', () => {
  test.each([
    ['GET', '/', 'ollama', 'models', 'none'],
    ['HEAD', '/', 'ollama', 'models', 'none'],
    ['GET', '/api/version', 'ollama', 'models', 'none'],
    ['HEAD', '/api/version', 'ollama', 'models', 'none'],
    ['GET', '/api/tags', 'ollama', 'models', 'none'],
    ['HEAD', '/api/tags', 'ollama', 'models', 'none'],
    ['GET', '/api/ps', 'ollama', 'models', 'none'],
    ['POST', '/api/show', 'ollama', 'models', 'json'],
    ['POST', '/api/generate', 'ollama', 'generate', 'json'],
    ['POST', '/api/chat', 'ollama', 'chat', 'json'],
    ['POST', '/api/embed', 'ollama', 'embed', 'json'],
    ['POST', '/api/embeddings', 'ollama', 'embed', 'json'],
    ['POST', '/api/pull', 'ollama', 'admin', 'json'],
    ['POST', '/api/push', 'ollama', 'admin', 'json'],
    ['POST', '/api/create', 'ollama', 'admin', 'json'],
    ['POST', '/api/copy', 'ollama', 'admin', 'json'],
    ['DELETE', '/api/delete', 'ollama', 'admin', 'json'],
    ['POST', `/api/blobs/${digest}`, 'ollama', 'admin', 'opaque'],
    ['HEAD', `/api/blobs/${digest}`, 'ollama', 'admin', 'none'],
    ['POST', '/api/me', 'ollama', 'admin', 'opaque'],
    ['POST', '/api/signout', 'ollama', 'admin', 'opaque'],
    ['DELETE', '/api/user/keys/c3NoLWVk_-==', 'ollama', 'admin', 'none'],
    ['GET', '/api/status', 'ollama', 'admin', 'none'],
    ['POST', '/api/experimental/web_search', 'ollama', 'admin', 'opaque'],
    ['POST', '/api/experimental/web_fetch', 'ollama', 'admin', 'opaque'],
    ['GET', '/api/experimental/model-recommendations', 'ollama', 'admin', 'none'],
    ['GET', '/v1/models', 'openai', 'models', 'none'],
    ['GET', '/v1/models/llama3.2:latest', 'openai', 'models', 'none'],
    ['POST', '/v1/chat/completions', 'openai', 'chat', 'json'],
    ['POST', '/v1/completions', 'openai', 'generate', 'json'],
    ['POST', '/v1/responses', 'openai', 'chat', 'json'],
    ['POST', '/v1/embeddings', 'openai', 'embed', 'json'],
    ['POST', '/v1/messages', 'anthropic', 'chat', 'json'],
  ])('%s %s', (method, path, dialect, operation, body) => {
    const answer = ask(method, path);
    expect(answer.dialect).toBe(dialect);
    expect(answer.found).toMatchObject({ method, path, operation, body });
  });

  test('a model named in the path is named by the route', () => {
    expect(ask('GET', '/v1/models/gpt-oss:20b-cloud').found).toMatchObject({ model: 'gpt-oss:20b-cloud' });
    expect(ask('GET', '/v1/models').found).not.toHaveProperty('model');
  });
});

describe('paths that do not exist are refused by the dialect that speaks there', () => {
  test.each([
    ['POST', '/api/chat/', 'ollama'],
    ['POST', '/API/chat', 'ollama'],
    ['POST', '//api/chat', 'ollama'],
    ['POST', '/api/../api/chat', 'ollama'],
    ['POST', '/api/tokenize', 'ollama'],
    ['GET', '/metrics', 'ollama'],
    ['GET', '', 'ollama'],
    ['HEAD', '/api/blobs/sha256-xyz', 'ollama'],
    ['POST', `/api/blobs/${digest}/../../pull`, 'ollama'],
    ['DELETE', '/api/user/keys/', 'ollama'],
    ['GET', '/v1', 'openai'],
    ['POST', '/v1/images/generations', 'openai'],
    ['POST', '/v1/audio/transcriptions', 'openai'],
    ['GET', '/v1/models/', 'openai'],
    ['GET', '/v1/models/..', 'openai'],
    ['GET', '/v1/models/.', 'openai'],
    ['GET', '/v1/models/library/llama3.2', 'openai'],
    ['GET', '/v1/models/a b', 'openai'],
    ['GET', '/v1/models/a?b', 'openai'],
    ['POST', '/v1/messages/count_tokens', 'anthropic'],
    ['POST', '/v1/messages/', 'anthropic'],
    ['POST', '/v1/messagesx', 'openai'],
  ])('%s %s', (method, path, dialect) => {
    const { dialect: name, found } = ask(method, path);
    expect(found).toMatchObject({ reason: 'not-found', status: 404 });
    expect(name).toBe(dialect);
    expect(defaultDialects.find((candidate) => candidate.speaks(path))?.name).toBe(dialect);
  });
});

describe('methods that a path does not have', () => {
  test.each([
    ['GET', '/api/chat', ['POST']],
    ['HEAD', '/api/ps', ['GET']],
    ['HEAD', '/v1/models', ['GET']],
    ['POST', '/', ['GET', 'HEAD']],
    ['GET', `/api/blobs/${digest}`, ['POST', 'HEAD']],
    ['post', '/api/chat', ['POST']],
    ['OPTIONS', '/v1/messages', ['POST']],
    ['POST', '/v1/models/x', ['GET']],
  ])('%s %s', (method, path, allow) => {
    const { found } = ask(method, path);
    expect(isRefusal(found)).toBe(true);
    expect(found).toMatchObject({ reason: 'bad-method', status: 405, allow });
  });
});

test('the last dialect speaks on every path, so that no refusal is without a shape', () => {
  for (const path of ['/', '/v1/x', '', '/%', 'x'.repeat(10_000)])
    expect(defaultDialects.at(-1)!.speaks(path)).toBe(true);
});
