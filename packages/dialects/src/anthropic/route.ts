/** The one path of the Anthropic dialect that Ollama serves. */
import type { Refusal, Route } from '@headgate/core';
import { findRoute, row, unknownPath } from '../routes.js';

const rows = [row('POST', '/v1/messages', 'chat', 'messages', 'json')];

export function speaks(path: string): boolean {
  return path === '/v1/messages' || path.startsWith('/v1/messages/');
}

export function route(method: string, path: string): Route | Refusal | undefined {
  return speaks(path) ? (findRoute(rows, method, path) ?? unknownPath()) : undefined;
}
