/** What is asked of every contestant, and how the backend answers: OpenAI's dialect, because every gateway speaks that. */

/** How the backend paces its answers from now on. */
export interface Pace {
  /** Events of a stream; one that is held open has no end. */
  readonly chunks: number;
  readonly everyMs: number;
  readonly firstMs: number;
}

export const model = 'llama3.2';
export const apiKey = 'free-key-0001';

const messages = [
  { role: 'system', content: 'You answer in one short sentence, and you say so when you do not know.' },
  { role: 'user', content: 'Why is the sky blue, and why is it red in the evening? '.repeat(3) },
];

/** As bytes on the wire. Each connection is a run of its own, so that the sixth layer of the policy has something to count. */
export function requestBytes(stream: boolean, run: number, headers: readonly string[] = []): string {
  const body = JSON.stringify({ model, stream, max_tokens: 64, messages });
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    `authorization: Bearer ${apiKey}`,
    `x-run-id: run-${run}`,
    ...headers,
    `content-length: ${body.length}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** What has to be in every small answer, whoever wrote it anew on the way. */
export const smallWords = 'Short waves scatter more.';

export const smallAnswer = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model,
  choices: [{ index: 0, message: { role: 'assistant', content: smallWords }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 64, completion_tokens: 9, total_tokens: 73 },
});

/** An event of a stream; `content` holds instants of the backend's clock, which all processes of a machine share. */
export function eventText(content: string, finished: boolean): string {
  const choice = `{"index":0,"delta":{"content":"${content}"},"finish_reason":${finished ? '"stop"' : 'null'}}`;
  return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"${model}","choices":[${choice}]}\n\n`;
}
