/** The client libraries that people use, each asked the same way: a short question, streamed or whole, in its own API. */

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { generateText, type LanguageModel, streamText } from 'ai';
import { Ollama } from 'ollama';
import { createOllama } from 'ollama-ai-provider-v2';
import OpenAI from 'openai';

/** What a client made of an answer. */
export interface Heard {
  text: string;
  /** In the client's own word. */
  finish: string | undefined;
  inputTokens?: number | undefined;
  outputTokens?: number | undefined;
}

export interface Client {
  readonly name: string;
  /** How it says that an answer reached its length. */
  readonly length: string;
  /** How Ollama itself says so, where that is different. */
  readonly lengthOfOllama?: string;
  /** The field in which the backend reads the cap. */
  readonly cap: (body: Readonly<Record<string, unknown>>) => unknown;
  /** Streams into `heard`, so that what came before an error is known too. */
  stream(url: string, heard: Heard): Promise<void>;
  whole(url: string, outputTokensMax?: number): Promise<Heard>;
  /** Its library does not pass errors inside a stream on to its user. */
  readonly swallowsErrors?: boolean;
}

const model = 'llama3.2';
const content = 'Why is the sky blue?';
const messages = [{ role: 'user' as const, content }];
const key = 'team-a';

const numPredict: Client['cap'] = ({ options }) => (options as { num_predict?: unknown } | undefined)?.num_predict;
const maxTokens: Client['cap'] = (body) => body.max_tokens;

const ollamaOf = (url: string): Ollama => new Ollama({ host: url, headers: { authorization: `Bearer ${key}` } });
const openaiOf = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const anthropicOf = (url: string): Anthropic => new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });

const optionsOf = (max: number | undefined): object => (max === undefined ? {} : { options: { num_predict: max } });
const maxTokensOf = (max: number | undefined): object => (max === undefined ? {} : { max_tokens: max });

const ollamaChat: Client = {
  name: 'ollama, chat',
  length: 'length',
  cap: numPredict,
  async stream(url, heard) {
    for await (const part of await ollamaOf(url).chat({ model, messages, stream: true })) {
      heard.text += part.message.content;
      if (part.done) Object.assign(heard, ollamaEnd(part));
    }
  },
  async whole(url, max) {
    const answer = await ollamaOf(url).chat({ model, messages, stream: false, ...optionsOf(max) });
    return { text: answer.message.content, ...ollamaEnd(answer) };
  },
};

const ollamaGenerate: Client = {
  name: 'ollama, generate',
  length: 'length',
  cap: numPredict,
  async stream(url, heard) {
    for await (const part of await ollamaOf(url).generate({ model, prompt: content, stream: true })) {
      heard.text += part.response;
      if (part.done) Object.assign(heard, ollamaEnd(part));
    }
  },
  async whole(url, max) {
    const answer = await ollamaOf(url).generate({ model, prompt: content, stream: false, ...optionsOf(max) });
    return { text: answer.response ?? '', ...ollamaEnd(answer) };
  },
};

function ollamaEnd(last: { done_reason: string; prompt_eval_count: number; eval_count: number }): Omit<Heard, 'text'> {
  return { finish: last.done_reason, inputTokens: last.prompt_eval_count, outputTokens: last.eval_count };
}

const openaiChat: Client = {
  name: 'openai, chat completions',
  length: 'length',
  cap: maxTokens,
  async stream(url, heard) {
    const stream_options = { include_usage: true };
    for await (const chunk of await openaiOf(url).chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options,
    })) {
      heard.text += chunk.choices[0]?.delta.content ?? '';
      heard.finish = chunk.choices[0]?.finish_reason ?? heard.finish;
      if (chunk.usage) Object.assign(heard, openaiUsage(chunk.usage));
    }
  },
  async whole(url, max) {
    const { choices, usage } = await openaiOf(url).chat.completions.create({ model, messages, ...maxTokensOf(max) });
    const [choice] = choices;
    return { text: choice?.message.content ?? '', finish: choice?.finish_reason, ...openaiUsage(usage!) };
  },
};

const openaiCompletions: Client = {
  name: 'openai, completions',
  length: 'length',
  cap: maxTokens,
  async stream(url, heard) {
    const stream_options = { include_usage: true };
    for await (const chunk of await openaiOf(url).completions.create({
      model,
      prompt: content,
      stream: true,
      stream_options,
    })) {
      heard.text += chunk.choices[0]?.text ?? '';
      heard.finish = chunk.choices[0]?.finish_reason ?? heard.finish;
      if (chunk.usage) Object.assign(heard, openaiUsage(chunk.usage));
    }
  },
  async whole(url, max) {
    const { choices, usage } = await openaiOf(url).completions.create({ model, prompt: content, ...maxTokensOf(max) });
    return { text: choices[0]?.text ?? '', finish: choices[0]?.finish_reason, ...openaiUsage(usage!) };
  },
};

function openaiUsage(usage: OpenAI.CompletionUsage): Partial<Heard> {
  return { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens };
}

const openaiResponses: Client = {
  name: 'openai, responses',
  length: 'max_output_tokens',
  lengthOfOllama: 'completed',
  cap: (body) => body.max_output_tokens,
  async stream(url, heard) {
    for await (const event of await openaiOf(url).responses.create({ model, input: content, stream: true })) {
      if (event.type === 'response.output_text.delta') heard.text += event.delta;
      if (event.type === 'response.completed' || event.type === 'response.incomplete') {
        Object.assign(heard, responsesEnd(event.response));
      }
    }
  },
  async whole(url, max) {
    const cap = max === undefined ? {} : { max_output_tokens: max };
    const response = await openaiOf(url).responses.create({ model, input: content, ...cap });
    return { text: response.output_text, ...responsesEnd(response) };
  },
};

function responsesEnd({ status, incomplete_details, usage }: OpenAI.Responses.Response): Omit<Heard, 'text'> {
  const finish = incomplete_details?.reason ?? status;
  return { finish, inputTokens: usage?.input_tokens, outputTokens: usage?.output_tokens };
}

const anthropicMessages: Client = {
  name: 'anthropic, messages',
  length: 'max_tokens',
  cap: maxTokens,
  async stream(url, heard) {
    const stream = anthropicOf(url).messages.stream({ model, messages, max_tokens: 1_000_000 });
    stream.on('text', (text) => {
      heard.text += text;
    });
    const { stop_reason, usage } = await stream.finalMessage();
    Object.assign(heard, {
      finish: stop_reason,
      inputTokens: usage.input_tokens,
      outputTokens: usage.output_tokens,
    });
  },
  async whole(url, max = 20_000) {
    const {
      content: blocks,
      stop_reason,
      usage,
    } = await anthropicOf(url).messages.create(
      { model, messages, max_tokens: max },
      // Past some length the library insists on a stream, unless it is told how long to wait.
      { timeout: 60_000 },
    );
    const text = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
    return {
      text,
      finish: stop_reason ?? undefined,
      inputTokens: usage.input_tokens,
      outputTokens: usage.output_tokens,
    };
  },
};

function aiSdk(name: string, modelOf: (url: string) => LanguageModel, more: Pick<Client, 'cap' | 'swallowsErrors'>) {
  const client: Client = {
    name,
    length: 'length',
    ...more,
    async stream(url, heard) {
      const { fullStream } = streamText({ model: modelOf(url), prompt: content, maxRetries: 0, onError: () => {} });
      for await (const part of fullStream) {
        if (part.type === 'text-delta') heard.text += part.text;
        if (part.type === 'error') throw part.error;
        if (part.type === 'finish') {
          const { inputTokens, outputTokens } = part.totalUsage;
          Object.assign(heard, { finish: part.finishReason, inputTokens, outputTokens });
        }
      }
    },
    async whole(url, max) {
      const cap = max === undefined ? {} : { maxOutputTokens: max };
      const { text, finishReason, usage } = await generateText({
        model: modelOf(url),
        prompt: content,
        maxRetries: 0,
        ...cap,
      });
      return { text, finish: finishReason, inputTokens: usage.inputTokens, outputTokens: usage.outputTokens };
    },
  };
  return client;
}

const headers = { authorization: `Bearer ${key}` };

export const clients: readonly Client[] = [
  ollamaChat,
  ollamaGenerate,
  openaiChat,
  openaiCompletions,
  openaiResponses,
  anthropicMessages,
  aiSdk(
    'ai, openai-compatible',
    (url) =>
      createOpenAICompatible({ name: 'gateway', baseURL: `${url}/v1`, apiKey: key, includeUsage: true }).chatModel(
        model,
      ),
    { cap: maxTokens },
  ),
  aiSdk('ai, ollama-ai-provider-v2', (url) => createOllama({ baseURL: `${url}/api`, headers })(model), {
    cap: numPredict,
    swallowsErrors: true,
  }),
];
