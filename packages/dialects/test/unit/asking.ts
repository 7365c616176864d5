/** One way to put a body to a dialect in tests. */
import { type GuardRules, isRefusal, type JsonObject, type Reading, type Refusal } from '@headgate/core';
import { defaultDialects } from '../../src/index.js';

export const guard: GuardRules = { admin: 'deny', cloud: 'deny', options: {}, keepAliveMsMax: 1_800_000, inputsMax: 4 };

export function ask(path: string, body: object, rules: Partial<GuardRules> = {}): Reading | Refusal {
  for (const dialect of defaultDialects) {
    const route = dialect.route(path === '/api/delete' ? 'DELETE' : 'POST', path);
    if (route === undefined) continue;
    if (isRefusal(route)) throw new Error(`no such route: ${path}`);
    return dialect.read(route, body as JsonObject, { ...guard, ...rules });
  }
  throw new Error(`no dialect for ${path}`);
}

export function readingOf(path: string, body: object, rules: Partial<GuardRules> = {}): Reading {
  const answer = ask(path, body, rules);
  if (isRefusal(answer)) throw new Error(`refused: ${answer.message}`);
  return answer;
}

export function forwarded(path: string, body: object, cap?: number, rules: Partial<GuardRules> = {}): JsonObject {
  return JSON.parse(readingOf(path, body, rules).forward(cap)) as JsonObject;
}

export const messages = [{ role: 'user', content: 'hi' }];

/** The smallest body of every path that answers, and the field its backend obeys as the cap. */
export const smallest: Readonly<Record<string, JsonObject>> = {
  '/api/generate': { model: 'm', prompt: 'hi' },
  '/api/chat': { model: 'm', messages },
  '/v1/chat/completions': { model: 'm', messages },
  '/v1/completions': { model: 'm', prompt: 'hi' },
  '/v1/responses': { model: 'm', input: 'hi' },
  '/v1/messages': { model: 'm', messages, max_tokens: 1_000 },
};

export const embedding: Readonly<Record<string, JsonObject>> = {
  '/api/embed': { model: 'm', input: 'hi' },
  '/api/embeddings': { model: 'm', prompt: 'hi' },
  '/v1/embeddings': { model: 'm', input: 'hi' },
};
