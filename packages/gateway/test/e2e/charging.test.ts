/** What an answer is charged, whatever its stream says of its usage, however it is cut into pieces, and whenever its client leaves. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chat, gatewayFor, until } from '../support/harness.js';
import { type RawClient, rawClient } from '../support/raw.js';
import { type ScriptedBackend, scriptedBackend } from '../support/scripted.js';

const budget = 100_000;
const paths = { ndjson: '/api/chat', openai: '/v1/chat/completions', anthropic: '/v1/messages' } as const;
const ndjson = 'application/x-ndjson';
const sse = 'text/event-stream';

interface World {
  readonly backend: ScriptedBackend;
  readonly log: Record<string, unknown>[];
  ask(path: string): Promise<RawClient>;
  /** Tokens gone from the budget. */
  charged(): number;
  /** Tokens set aside for a prompt like the one that is asked. */
  estimate(): number;
}

async function world(): Promise<World> {
  const backend = await scriptedBackend();
  const log: Record<string, unknown>[] = [];
  const gateway = await gatewayFor({ tokens: `${budget}/hour`, backends: [{ url: backend.url, slots: 4 }] }, log);
  const body = JSON.stringify({ ...chat, stream: true, max_tokens: 5_000 });
  const remaining = (): number => gateway.limiter.peekNow({ identity: 'address:127.0.0.1' })[0]!.remaining;
  return {
    backend,
    log,
    async ask(path) {
      const client = await rawClient(gateway.port);
      client.send(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      return client;
    },
    charged: () => budget - remaining(),
    estimate() {
      const { content } = chat.messages[0]!;
      const prompt = { texts: [content], messages: 1, images: 0, inputTokensKnown: 0 };
      const decision = gateway.limiter.admitNow({ identity: 'x', model: 'm', input: prompt });
      if (!decision.admitted) throw new Error(decision.refusal.message);
      decision.permit.cancel();
      return decision.permit.reserved.inputTokens;
    },
  };
}

const recording = (file: string): Buffer =>
  readFileSync(new URL(`../../../dialects/test/recordings/${file}`, import.meta.url));

describe('F8: a recorded stream is charged once, by its last word on usage', () => {
  it.each<[file: string, path: string, input: number | undefined, output: number]>([
    ['native-chat.ndjson', paths.ndjson, 26, 18],
    ['native-chat-no-usage.ndjson', paths.ndjson, undefined, 3],
    ['native-chat-zero.ndjson', paths.ndjson, 26, 0],
    ['openai-chat.sse', paths.openai, 26, 18],
    ['openai-chat-no-usage.sse', paths.openai, undefined, 2],
    ['openai-chat-usage-twice.sse', paths.openai, 26, 18],
    ['openai-chat-continuous-usage.sse', paths.openai, 26, 18],
    ['openai-chat-null-usage.sse', paths.openai, 26, 18],
    ['anthropic-text.sse', paths.anthropic, 26, 18],
    ['anthropic-usage-twice.sse', paths.anthropic, 26, 18],
  ])('%s, whole and split at every byte', async (file, path, input, output) => {
    const bytes = recording(file);
    for (const size of [bytes.length, 1]) {
      const { backend, log, ask, charged, estimate } = await world();
      const inputTokens = input ?? estimate();
      const client = await ask(path);
      const answer = await backend.next(file.endsWith('.sse') ? sse : ndjson);
      for (let at = 0; at < bytes.length; at += size) await answer.write(bytes.subarray(at, at + size));
      answer.end();
      await until(() => log.length === 1, 'the request is logged');
      expect(log[0]).toMatchObject({ status: 200, inputTokens, outputTokens: output });
      expect(log[0]).not.toHaveProperty('cut');
      expect(charged()).toBe(inputTokens + output);
      client.socket.destroy();
    }
  });
});

/** An answer of so many tokens, each of which can be told apart. */
const tokens = Array.from({ length: 12 }, (_, at) => `token${at};`);
const streams = {
  ndjson: tokens.map((content) => `${JSON.stringify({ model: 'm', message: { content }, done: false })}\n`).join(''),
  openai: tokens
    .map((content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`)
    .join(''),
  anthropic: [
    { type: 'message_start', message: { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'm' } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...tokens.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
  ]
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join(''),
};

describe.each(['ndjson', 'openai', 'anthropic'] as const)('F9: a client of %s that leaves', (kind) => {
  const stream = streams[kind];
  const separator = kind === 'ndjson' ? '\n' : '\n\n';
  const step = Math.floor(stream.length / 25);
  const offsets = Array.from({ length: 25 }, (_, at) => at * step + (at % 7));

  it('at any byte is charged the prompt and what it was delivered, within one chunk', async () => {
    for (const offset of offsets) {
      const { backend, log, ask, charged, estimate } = await world();
      const prompt = estimate();
      const client = await ask(paths[kind]);
      const answer = await backend.next(kind === 'ndjson' ? ndjson : sse);
      await answer.write(stream.slice(0, offset));
      const events = stream.slice(0, offset).split(separator).slice(0, -1).join('');
      const complete = tokens.filter((token) => events.includes(token)).length;
      if (complete > 0) await until(() => client.received().includes(tokens[complete - 1]!), 'it has come');
      const delivered = tokens.filter((token) => client.received().includes(token)).length;
      client.socket.destroy();
      await answer.aborted;
      await until(() => log.length === 1, 'the request is logged');
      const output = charged() - prompt;
      expect(output, `${delivered} tokens delivered in ${offset} bytes`).toBeGreaterThanOrEqual(delivered);
      expect(output, `${delivered} tokens delivered in ${offset} bytes`).toBeLessThanOrEqual(delivered + 1);
      expect(log[0]).toMatchObject({ cut: 'client gone', outputTokens: output });
    }
  });
});
