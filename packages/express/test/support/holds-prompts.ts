/** What is asked of a proxy behind a limiter, whatever the framework. */
import { expect } from 'vitest';
import { ask, question } from './ask.js';

/**
 * Of a proxy for all below `/ollama` that says what it was sent, behind a limiter with `models: [mistral]`: prompts are held to it,
 * and what is none passes as it was sent.
 */
export async function holdsPrompts(url: string): Promise<void> {
  expect((await ask(`${url}/ollama/api/chat`)).status).toBe(403);
  const chat = await ask(`${url}/ollama/api/chat`, { ...question, model: 'mistral' });
  expect(await chat.json()).toEqual({
    operation: 'chat',
    body: expect.stringContaining('"model":"mistral"'),
  });
  expect((await ask(`${url}/ollama/v1/messages`, { MODEL: 'llama3.2' })).status).toBe(400);
  const fields = new URLSearchParams({ model: 'llama3.2', prompt: 'Hi' });
  expect((await fetch(`${url}/ollama/api/generate`, { method: 'POST', body: fields })).status).toBe(400);
  for (const body of ['{ "text": "é" }', 'é'.repeat(200_000), '']) {
    const own = await fetch(`${url}/ollama/v1/messages`, { method: 'PUT', body });
    expect(await own.json()).toEqual({ operation: 'other', body });
  }
}
