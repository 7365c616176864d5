/** What a backend may be sent: paths that are served, bodies of our own writing, and nothing of the client's head that could mislead. */
import type { SeenRequest } from '@headgate/fake-ollama';

const served: Readonly<Record<string, readonly string[]>> = {
  POST: ['/api/generate', '/api/chat'],
  GET: ['/', '/api/tags', '/api/version', '/v1/models', '/api/ps'],
  HEAD: ['/', '/api/tags', '/api/version'],
};
const notPassedOn = ['transfer-encoding', 'content-encoding', 'te', 'upgrade', 'expect', 'cookie', 'authorization'];

export function isOurs({ method, rawUrl, headers, body, json }: SeenRequest): boolean {
  if (!served[method]?.includes(rawUrl.split('?', 1)[0]!)) return false;
  if (notPassedOn.some((name) => name in headers)) return false;
  if (method !== 'POST') return body.length === 0;
  if (body.toString() !== JSON.stringify(json)) return false;
  // One of two keys that are the same but for their case would be read by some servers, and the other by others.
  const names = Object.keys(json as object).map((name) => name.toLowerCase());
  return Number(headers['content-length']) === body.length && new Set(names).size === names.length;
}
