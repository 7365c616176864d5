/** Streamed answers of each dialect, as a backend would send them: one event a token, some hundreds of tokens. */
import { type AnswerMeter, isRefusal, type JsonObject } from '@headgate/core';
import { defaultDialects } from '@headgate/dialects';

export interface StreamedAnswer {
  readonly dialect: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: JsonObject;
  /** Each ends where an event ends. */
  readonly events: readonly string[];
  readonly tokens: number;
}

const words = ['The', ' sky', ' is', ' blue', ' because', ' of', ' Rayleigh', ' scattering', ',', ' which'];
const tokensPerAnswer = 500;

function tokenTexts(): string[] {
  return Array.from({ length: tokensPerAnswer }, (_, index) => words[index % words.length]!);
}

const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
const sse = (data: object | string, event?: string): string =>
  `${event === undefined ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

function ollama(): StreamedAnswer {
  const line = (more: object): string =>
    `${JSON.stringify({ model: 'llama3.1:8b', created_at: '2026-01-05T12:00:00.103456789Z', ...more })}\n`;
  const metrics = { total_duration: 9e9, prompt_eval_count: 26, prompt_eval_duration: 1e9, eval_duration: 8e9 };
  return {
    dialect: 'ollama',
    path: '/api/chat',
    contentType: 'application/x-ndjson',
    body: { model: 'llama3.1:8b', messages },
    events: [
      ...tokenTexts().map((content) => line({ message: { role: 'assistant', content }, done: false })),
      line({
        message: { role: 'assistant', content: '' },
        done: true,
        done_reason: 'stop',
        ...metrics,
        eval_count: tokensPerAnswer,
      }),
    ],
    tokens: tokensPerAnswer,
  };
}

function openai(): StreamedAnswer {
  const head = { id: 'chatcmpl-407', object: 'chat.completion.chunk', created: 1_767_614_400, model: 'llama3.1:8b' };
  const usage = { prompt_tokens: 26, completion_tokens: tokensPerAnswer, total_tokens: 26 + tokensPerAnswer };
  const choice = (delta: object, finish: string | null): object[] => [{ index: 0, delta, finish_reason: finish }];
  return {
    dialect: 'openai',
    path: '/v1/chat/completions',
    contentType: 'text/event-stream',
    body: { model: 'llama3.1:8b', messages, stream: true, stream_options: { include_usage: true } },
    events: [
      ...tokenTexts().map((content) => sse({ ...head, choices: choice({ content }, null) })),
      sse({ ...head, choices: choice({}, 'stop') }),
      sse({ ...head, choices: [], usage }),
      sse('[DONE]'),
    ],
    tokens: tokensPerAnswer,
  };
}

function anthropic(): StreamedAnswer {
  const typed = (type: string, more: object): string => sse({ type, ...more }, type);
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: 'llama3.1:8b', content: [] };
  return {
    dialect: 'anthropic',
    path: '/v1/messages',
    contentType: 'text/event-stream',
    body: { model: 'llama3.1:8b', messages, max_tokens: 1_000, stream: true },
    events: [
      typed('message_start', { message: { ...message, usage: { input_tokens: 26, output_tokens: 0 } } }),
      typed('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...tokenTexts().map((text) => typed('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
      typed('content_block_stop', { index: 0 }),
      typed('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: tokensPerAnswer } }),
      typed('message_stop', {}),
    ],
    tokens: tokensPerAnswer,
  };
}

export const streamedAnswers: readonly StreamedAnswer[] = [ollama(), openai(), anthropic()];

const guard = { admin: 'deny', cloud: 'deny', options: {}, keepAliveMsMax: 1_800_000, inputsMax: 4 } as const;

/** A function that makes the meter of one answer after another. */
export function meterOf({ dialect: name, path, contentType, body }: StreamedAnswer): () => AnswerMeter {
  const dialect = defaultDialects.find((one) => one.name === name)!;
  const route = dialect.route('POST', path);
  if (route === undefined || isRefusal(route)) throw new Error(`${name} has no ${path}`);
  const reading = dialect.read(route, body, guard);
  if (isRefusal(reading)) throw new Error(`${path}: ${reading.message}`);
  return () => dialect.meter(route, { status: 200, contentType }, reading);
}
