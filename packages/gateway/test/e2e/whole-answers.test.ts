/** Backends whose connection does not end with their answer: it dies, or stays open, when all has been said. */
import { readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { expect, it } from 'vitest';
import type { Gateway } from '../../src/index.js';
import { chat, gatewayFor, until } from '../support/harness.js';
import { rawClient } from '../support/raw.js';
import { type ScriptedBackend, scriptedBackend } from '../support/scripted.js';

const recording = (file: string): string =>
  readFileSync(new URL(`../../../dialects/test/recordings/${file}`, import.meta.url), 'utf8');

const dialects = [
  ['/api/chat', 'native-chat.ndjson', 'application/x-ndjson'],
  ['/v1/chat/completions', 'openai-chat.sse', 'text/event-stream'],
  ['/v1/messages', 'anthropic-text.sse', 'text/event-stream'],
  ['/v1/responses', 'openai-responses.sse', 'text/event-stream'],
] as const;

interface World {
  readonly backend: ScriptedBackend;
  readonly gateway: Gateway;
  readonly log: Record<string, unknown>[];
}

async function world(): Promise<World> {
  const backend = await scriptedBackend();
  const backends = [{ url: backend.url, name: 'b1', slots: 4 }];
  const log: Record<string, unknown>[] = [];
  const gateway = await gatewayFor({ tokens: '100k/hour', backends }, log);
  return { backend, gateway, log };
}

it.each(
  dialects.flatMap(([path, file, type]) =>
    (['dies', 'stands still'] as const).map((end) => [path, end, file, type] as const),
  ),
)(
  'F27: an answer of %s is whole when its last object went by, though its backend %s then',
  async (path, end, file, type) => {
    const { backend, gateway, log } = await world();
    const client = await rawClient(gateway.port);
    const body = JSON.stringify({
      ...chat,
      input: 'hi',
      stream: true,
      max_tokens: 5_000,
      stream_options: { include_usage: true },
    });
    client.send(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const answer = await backend.next(type);
    await answer.write(recording(file));
    const last = recording(file).trimEnd().slice(-20);
    await until(() => client.received().includes(last), 'all of it is with the client');
    if (end === 'dies') answer.die();
    const received = await client.closed;
    expect(received.trimEnd().endsWith('\r\n0')).toBe(true);
    expect(received).not.toContain('"error":{');
    expect(received).not.toContain('the backend');
    await until(() => log.length === 1, 'the request is logged');
    expect(log[0]).toMatchObject({ status: 200, outputTokens: 18 });
    expect(log[0]).not.toHaveProperty('cut');
    const { inFlight, open, backends } = gateway.limiter.stats();
    expect({ inFlight, open, state: backends[0]?.state }).toEqual({ inFlight: 0, open: 0, state: 'healthy' });
  },
);

it('F27: the Anthropic client has its message, though the backend dies when all is said', async () => {
  const { backend, gateway } = await world();
  const client = new Anthropic({ baseURL: gateway.url, apiKey: 'team-a', maxRetries: 0 });
  const stream = client.messages.stream({
    model: 'llama3.2',
    messages: [{ role: 'user', content: 'hi' }],
    max_tokens: 99,
  });
  const stopped = new Promise<void>((resolve) =>
    stream.on('streamEvent', ({ type }) => type === 'message_stop' && resolve()),
  );
  const message = stream.finalMessage();
  const answer = await backend.next('text/event-stream');
  await answer.write(recording('anthropic-text.sse'));
  await stopped;
  answer.die();
  expect((await message).usage.output_tokens).toBe(18);
});
