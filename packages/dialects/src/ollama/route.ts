/** The paths of Ollama's own API. What is not here does not exist. */
import type { Refusal, Route } from '@headgate/core';
import { findRoute, row, tableOf, unknownPath } from '../routes.js';

const table = tableOf([
  row('GET HEAD', '/', 'models', 'root', 'none'),
  row('GET HEAD', '/api/version', 'models', 'version', 'none'),
  row('GET HEAD', '/api/tags', 'models', 'tags', 'none'),
  row('GET', '/api/ps', 'models', 'ps', 'none'),
  row('POST', '/api/show', 'models', 'show', 'json'),
  row('POST', '/api/generate', 'generate', 'generate', 'json'),
  row('POST', '/api/chat', 'chat', 'chat', 'json'),
  row('POST', '/api/embed', 'embed', 'embed', 'json'),
  row('POST', '/api/embeddings', 'embed', 'embeddings', 'json'),
  row('POST', '/api/pull', 'admin', 'pull', 'json'),
  row('POST', '/api/push', 'admin', 'push', 'json'),
  row('POST', '/api/create', 'admin', 'create', 'json'),
  row('POST', '/api/copy', 'admin', 'copy', 'json'),
  row('DELETE', '/api/delete', 'admin', 'delete', 'json'),
  row('POST', /^\/api\/blobs\/sha256[:-][0-9a-f]{64}$/, 'admin', 'blob', 'opaque'),
  row('HEAD', /^\/api\/blobs\/sha256[:-][0-9a-f]{64}$/, 'admin', 'blob', 'none'),
  row('POST', '/api/me', 'admin', 'account', 'opaque'),
  row('POST', '/api/signout', 'admin', 'account', 'opaque'),
  row('DELETE', /^\/api\/user\/keys\/[A-Za-z0-9_=-]+$/, 'admin', 'account', 'none'),
  row('GET', '/api/status', 'admin', 'status', 'none'),
  row('POST', '/api/experimental/web_search', 'admin', 'web-search', 'opaque'),
  row('POST', '/api/experimental/web_fetch', 'admin', 'web-fetch', 'opaque'),
  row('GET', '/api/experimental/model-recommendations', 'admin', 'recommendations', 'none'),
]);

export function route(method: string, path: string): Route | Refusal | undefined {
  if (path.startsWith('/v1/')) return undefined;
  return findRoute(table, method, path) ?? unknownPath();
}
