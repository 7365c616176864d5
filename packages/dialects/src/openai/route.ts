/** The paths of the OpenAI dialect that Ollama serves. */
import type { Refusal, Route } from '@headgate/core';
import { findRoute, row, tableOf, unknownPath } from '../routes.js';

const table = tableOf([
  row('GET', '/v1/models', 'models', 'models', 'none'),
  // One plain segment: no dots alone and no encoded slash, which a backend would resolve to another path.
  row('GET', /^\/v1\/models\/(?!\.{1,2}$)([A-Za-z0-9._:@-]+)$/, 'models', 'model', 'none'),
  row('POST', '/v1/chat/completions', 'chat', 'chat', 'json'),
  row('POST', '/v1/completions', 'generate', 'completions', 'json'),
  row('POST', '/v1/responses', 'chat', 'responses', 'json'),
  row('POST', '/v1/embeddings', 'embed', 'embeddings', 'json'),
]);

export function speaks(path: string): boolean {
  return path === '/v1' || path.startsWith('/v1/');
}

export function route(method: string, path: string): Route | Refusal | undefined {
  return speaks(path) ? (findRoute(table, method, path) ?? unknownPath()) : undefined;
}
