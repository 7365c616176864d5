/** Requests as clients send them. */
export const question = { model: 'llama3.2', messages: [{ role: 'user', content: 'Why is the sky blue?' }] };

export function ask(url: string, body: object = question, init: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...init,
  });
}

export function chunkLine(word: string): string {
  return `${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content: word }, done: false })}\n`;
}

export function lastLine(inputTokens: number, outputTokens: number): string {
  const usage = { prompt_eval_count: inputTokens, eval_count: outputTokens };
  const message = { role: 'assistant', content: '' };
  return `${JSON.stringify({ model: 'llama3.2', message, done: true, done_reason: 'stop', ...usage })}\n`;
}

/** The lines of an NDJSON answer. */
export function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
