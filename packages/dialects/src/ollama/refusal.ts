/** Refusals as Ollama words its own: one line, `error` a string, or its clients print `[object Object]`. */
import type { HttpRefusal, Refusal } from '@headgate/core';
import { sentence, withWait } from '../wording.js';

/** What Ollama itself says when its queue is full, two spaces included; clients know it by heart. */
const queueFull = 'server busy, please try again.  maximum pending requests exceeded';

export function errorLine(refusal: Refusal): string {
  const isFull = refusal.reason === 'queue-full';
  return JSON.stringify({ error: isFull ? withWait(queueFull, refusal.retryAfterMs) : sentence(refusal) });
}

export function refusal(refused: Refusal): HttpRefusal {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (refused.allow !== undefined) headers.allow = refused.allow.join(', ');
  return { status: refused.status, headers, body: errorLine(refused) };
}
