/** What each recorded answer was asked with and amounts to. The files hold the bytes; times and ids are made up. */
import { readFileSync } from 'node:fs';
import type { JsonObject, Usage } from '@headgate/core';
import type { Recording } from '@headgate/core/testing';

type Expected = Pick<Recording, 'usage' | 'outputTokens' | 'complete'> & { delivered?: string };

const reported: Usage = { inputTokens: 26, outputTokens: 18 };
const timed: Usage = { ...reported, gpuSeconds: (13074791 + 52479709) / 1e9 };

export function body(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8');
}

function record(file: string, path: string, request: JsonObject, expected: Expected): Recording {
  const isStream = !file.endsWith('.json.txt');
  const contentType = file.endsWith('.sse')
    ? 'text/event-stream'
    : isStream
      ? 'application/x-ndjson'
      : 'application/json; charset=utf-8';
  return { name: file, method: 'POST', path, request, contentType, body: body(file), isStream, ...expected };
}

const prompt: JsonObject = { model: 'llama3.2', prompt: 'hi' };
const talk: JsonObject = { model: 'llama3.2', messages: [{ role: 'user', content: 'hi' }] };
const generate = (file: string, expected: Expected) => record(file, '/api/generate', prompt, expected);
const chat = (file: string, expected: Expected) => record(file, '/api/chat', talk, expected);

export const ollamaRecordings: readonly Recording[] = [
  generate('native-generate.ndjson', { usage: timed, outputTokens: 3, complete: true }),
  generate('native-generate-thinking.ndjson', { usage: timed, outputTokens: 3, complete: true }),
  chat('native-chat.ndjson', { usage: timed, outputTokens: 3, complete: true }),
  chat('native-chat-thinking.ndjson', { usage: timed, outputTokens: 2, complete: true }),
  chat('native-chat-tools.ndjson', { usage: timed, outputTokens: 2, complete: true }),
  chat('native-chat-tools-final.ndjson', { usage: timed, outputTokens: 3, complete: true }),
  chat('native-chat-error.ndjson', { usage: undefined, outputTokens: 1, complete: false }),
  chat('native-chat-silent-end.ndjson', { usage: undefined, outputTokens: 2, complete: false }),
  chat('native-chat-no-newline.ndjson', { usage: timed, outputTokens: 1, complete: true }),
  chat('native-chat-no-usage.ndjson', { usage: undefined, outputTokens: 3, complete: true }),
  chat('native-chat-zero.ndjson', {
    usage: { inputTokens: 26, outputTokens: 0, gpuSeconds: 13074791 / 1e9 },
    outputTokens: 0,
    complete: true,
  }),
  generate('native-generate-whole.json.txt', { usage: timed, outputTokens: 7, complete: true }),
  chat('native-chat-whole.json.txt', { usage: timed, outputTokens: 7, complete: true }),
  chat('native-chat-aborted.json.txt', { usage: undefined, outputTokens: 2, complete: false }),
  record(
    'native-load.json.txt',
    '/api/generate',
    { model: 'llama3.2' },
    { usage: { inputTokens: 0, outputTokens: 0 }, outputTokens: 0, complete: true },
  ),
  record(
    'native-embed.json.txt',
    '/api/embed',
    { model: 'nomic-embed-text', input: ['hi'] },
    { usage: { inputTokens: 8, outputTokens: 0 }, outputTokens: 0, complete: true },
  ),
  record('native-embeddings.json.txt', '/api/embeddings', prompt, {
    usage: undefined,
    outputTokens: 0,
    complete: true,
  }),
];

/** The body without the event that only brings usage. */
function withoutUsageEvent(text: string): string {
  return text.replace(/data: [^\n]*"choices":\[\],"usage":[^\n]*\n\n/, '');
}

/** Both ways: usage asked for by the client, and asked for by us only. */
function chunks(file: string, path: string, request: JsonObject, expected: Expected): Recording[] {
  const asked = { ...request, stream: true, stream_options: { include_usage: true } };
  const whole = body(file);
  const stripped = withoutUsageEvent(whole).replace(/,"usage":(null|\{[^}]*\})/g, '');
  return [
    { ...record(file, path, asked, expected), name: `${file} with usage asked for` },
    record(
      file,
      path,
      { ...request, stream: true },
      { ...expected, ...(stripped !== whole && { delivered: stripped }) },
    ),
  ];
}

const completions = (file: string, expected: Expected) => chunks(file, '/v1/chat/completions', talk, expected);
const ask: JsonObject = { model: 'llama3.2', input: 'hi', stream: true };
const responses = (file: string, expected: Expected) => record(file, '/v1/responses', ask, expected);

export const openaiRecordings: readonly Recording[] = [
  ...completions('openai-chat.sse', { usage: reported, outputTokens: 3, complete: true }),
  ...completions('openai-chat-0.32.5.sse', { usage: reported, outputTokens: 2, complete: true }),
  ...completions('openai-chat-reasoning.sse', { usage: reported, outputTokens: 2, complete: true }),
  ...completions('openai-chat-tools.sse', { usage: reported, outputTokens: 2, complete: true }),
  ...completions('openai-chat-dead.sse', { usage: undefined, outputTokens: 1, complete: false }),
  ...completions('openai-chat-comments.sse', { usage: reported, outputTokens: 1, complete: true }),
  ...completions('openai-chat-two-choices.sse', { usage: reported, outputTokens: 3, complete: true }),
  ...completions('openai-chat-null-usage.sse', { usage: reported, outputTokens: 1, complete: true }),
  ...completions('openai-chat-no-usage.sse', { usage: undefined, outputTokens: 2, complete: true }),
  ...completions('openai-chat-usage-twice.sse', { usage: reported, outputTokens: 2, complete: true }),
  ...completions('openai-chat-continuous-usage.sse', { usage: reported, outputTokens: 2, complete: true }),
  ...chunks('openai-completions.sse', '/v1/completions', prompt, { usage: reported, outputTokens: 2, complete: true }),
  responses('openai-responses.sse', { usage: reported, outputTokens: 3, complete: true }),
  responses('openai-responses-reasoning.sse', { usage: reported, outputTokens: 3, complete: true }),
  responses('openai-responses-tools.sse', { usage: reported, outputTokens: 1, complete: true }),
  record('openai-chat-whole.json.txt', '/v1/chat/completions', talk, {
    usage: reported,
    outputTokens: 2,
    complete: true,
  }),
  record('openai-chat-whole-no-usage.json.txt', '/v1/chat/completions', talk, {
    usage: undefined,
    outputTokens: 3,
    complete: true,
  }),
  record(
    'openai-embeddings.json.txt',
    '/v1/embeddings',
    { model: 'nomic-embed-text', input: 'hi' },
    { usage: { inputTokens: 8, outputTokens: 0 }, outputTokens: 0, complete: true },
  ),
  record(
    'openai-responses-whole.json.txt',
    '/v1/responses',
    { model: 'llama3.2', input: 'hi' },
    {
      usage: reported,
      outputTokens: 3,
      complete: true,
    },
  ),
];

const message: JsonObject = { ...talk, max_tokens: 100 };
const messages = (file: string, expected: Expected) =>
  record(file, '/v1/messages', file.endsWith('.sse') ? { ...message, stream: true } : message, expected);

export const anthropicRecordings: readonly Recording[] = [
  messages('anthropic-text.sse', { usage: reported, outputTokens: 2, complete: true }),
  messages('anthropic-thinking.sse', { usage: reported, outputTokens: 2, complete: true }),
  messages('anthropic-tools.sse', { usage: reported, outputTokens: 2, complete: true }),
  messages('anthropic-usage-twice.sse', { usage: reported, outputTokens: 2, complete: true }),
  messages('anthropic-dead.sse', { usage: { inputTokens: 9 }, outputTokens: 1, complete: false }),
  messages('anthropic-whole.json.txt', { usage: reported, outputTokens: 2, complete: true }),
  messages('anthropic-whole-empty.json.txt', {
    usage: { inputTokens: 26, outputTokens: 0 },
    outputTokens: 0,
    complete: true,
  }),
];

/** The same stream from a server, or through a proxy, that ends lines in CR LF, or in CR alone. */
export function withLineEnds(recording: Recording, ends: '\r\n' | '\r'): Recording {
  const replaced = (text: string) => text.replaceAll('\n', ends);
  return {
    ...recording,
    name: `${recording.name} with ${ends === '\r' ? 'CR' : 'CR LF'}`,
    body: replaced(recording.body),
    ...(recording.delivered !== undefined && { delivered: replaced(recording.delivered) }),
  };
}
