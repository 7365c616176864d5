/** Requests that are over, as the log and the metrics hear of them. */
import type { RequestRecord } from '../../src/exchange/record.js';

export interface Words {
  readonly identity?: string;
  readonly tier?: string;
  readonly model?: string;
  readonly operation?: 'chat' | 'generate' | 'embed' | 'models';
}

/** A chat of team-a with llama3.2 that went well. */
export function recordOf(words: Words = {}, more: Partial<RequestRecord> = {}): RequestRecord {
  const { identity = 'team-a', tier = 'default', model = 'llama3.2', operation = 'chat' } = words;
  return {
    ...{ startedAt: Date.UTC(2026, 7, 22, 1, 2, 3), startedMs: 0, peer: '10.0.0.9' },
    ...{ method: 'POST', httpVersion: '1.1', target: '/api/chat', referer: '', userAgent: '' },
    about: {
      ...{ requestId: 'req_1', path: '/api/chat', dialect: 'ollama', address: '10.0.0.1', operation, model },
      identity: { id: identity, tier, weight: 1, priority: 'normal' },
    },
    ...{ decision: 'admitted', status: 200, backend: 'gpu1', tries: 1, bytes: 512 },
    ...{ bodyReadMs: 2, waitedMs: 12, firstByteMs: 100, firstTokenMs: 200, totalMs: 2_000 },
    usage: { inputTokens: 10, outputTokens: 19 },
    ...more,
  };
}

/** One that was refused by a limit. */
export function refusalOf(words: Words = {}, limit = 'free.requests.min'): RequestRecord {
  const refusal = { reason: 'limit', status: 429, message: 'no.', limit } as const;
  const { usage: _, backend: __, firstByteMs: ___, firstTokenMs: ____, ...rest } = recordOf(words);
  return { ...rest, decision: 'refused', refusal, status: 429, tries: 0 };
}
