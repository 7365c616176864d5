import { ApiError } from '../api-error.js';
import { goJson } from '../go-json.js';
import { renderPrompt, type Task } from '../task.js';
import { openaiError } from '../wire/openai.js';
import type { Wire } from '../wire/wire.js';
import { answer, TASK_DEFAULTS } from './openai.js';
import type { Route, RouteContext } from './route.js';

/** Sound costs tokens by length; the fake takes one for so many bytes of the file. */
const BYTES_PER_TOKEN = 1000;

async function transcribe({ world, exchange }: RouteContext): Promise<void> {
  const body = await exchange.readBody();
  const form = await formOf(body, exchange.seen.headers['content-type'] ?? '');
  const text = (name: string): string => {
    const value = form.get(name);
    return typeof value === 'string' ? value : '';
  };
  const file = form.get('file');
  if (text('model') === '') throw new ApiError(400, 'model is required');
  if (file === null || typeof file === 'string') throw new ApiError(400, 'file is required');
  const prompt = renderPrompt([{ role: 'user', text: `${file.name} ${file.size} ${text('prompt')}` }]);
  const task: Task = {
    ...TASK_DEFAULTS,
    model: text('model'),
    prompt,
    promptTokens: Math.ceil(file.size / BYTES_PER_TOKEN) + Math.ceil(text('prompt').length / 4) + 4,
    question: '',
    empty: false,
    stream: false,
    options: {},
    think: false,
    tools: [],
  };
  await answer({ world, exchange, rest: '' }, task, transcriptionWire(text('response_format') === 'text'));
}

async function formOf(body: Buffer, contentType: string): Promise<FormData> {
  try {
    return await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  } catch {
    throw new ApiError(400, "request Content-Type isn't multipart/form-data");
  }
}

function transcriptionWire(plain: boolean): Wire {
  return {
    streamHeaders: {},
    wholeHeaders: { 'content-type': plain ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8' },
    delta: () => '',
    done: () => '',
    broken: () => '',
    whole: ({ content }) => (plain ? content : goJson({ text: content })),
  };
}

export const transcriptionRoutes: Route[] = [
  { method: 'POST', path: '/v1/audio/transcriptions', kind: 'inference', renderError: openaiError, handle: transcribe },
];
