/** What is asked, and what every answer must be. */
export interface Workload {
  readonly name: 'page' | 'chat';
  readonly title: string;
  readonly request: string;
  /** The answer's body, which every contestant has to send. */
  readonly answer: string;
}

const chat = {
  model: 'llama3.2',
  stream: false,
  messages: [
    { role: 'system', content: 'You answer in one short sentence, and you say so when you do not know.' },
    { role: 'user', content: 'Why is the sky blue, and why is it red in the evening? '.repeat(3) },
  ],
};
const body = JSON.stringify(chat);

const answered = {
  model: 'llama3.2',
  message: { role: 'assistant', content: 'Short waves are scattered more than long ones.' },
  done: true,
  prompt_eval_count: 64,
  eval_count: 9,
};

export const page = { hello: 'world' };
export const answerOf = (model: unknown): object => ({ ...answered, model });

export const workloads: readonly Workload[] = [
  {
    name: 'page',
    title: 'GET of a small page, as JSON',
    request: 'GET /page HTTP/1.1\r\nhost: localhost\r\n\r\n',
    answer: JSON.stringify(page),
  },
  {
    name: 'chat',
    title: 'POST of a chat, JSON both ways',
    request: `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    answer: JSON.stringify(answerOf('llama3.2')),
  },
];
