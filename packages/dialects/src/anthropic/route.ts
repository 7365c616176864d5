/** The one path of the Anthropic dialect that Ollama serves. */
import type { Refusal, Route } from '@headgate/core';
import { findRoute, row, tableOf, unknownPath } from '../routes.js';

const table = tableOf([row('POST', '/v1/messages', 'chat', 'messages', 'json')]);

export function speaks(path: string): boolean {
  return path === '/v1/messages' || path.startsWith('/v1/messages/');
}

export function route(method: string, path: string): Route | Refusal | undefined {
  return speaks(path) ? (findRoute(table, method, path) ?? unknownPath()) : undefined;
}
