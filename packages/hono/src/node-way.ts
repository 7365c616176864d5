/**
 * On Node, where `@hono/node-server` hands Node's own request and response on: body and answer are read and counted there.
 * A `Response` made of a string then needs no stream around it, which costs more than all the rest of a small request.
 */
import type { Dialect, Limiter } from '@headgate/core';
import { refusalResponse } from '@headgate/core/http';
import { mergedHeaders, type NodeAsk, NodeGate, type NodeRequest, type TappedResponse } from '@headgate/core/node';
import type { Context, Next } from 'hono';
import { isParsed } from './parsed.js';
import type { Refused } from './refused.js';

export interface NodeBindings {
  readonly incoming: NodeRequest & { rawBody?: unknown };
  readonly outgoing: TappedResponse;
}

/** What `@hono/node-server` gives every request for its environment; undefined elsewhere. */
export function nodeBindings(c: Context): NodeBindings | undefined {
  const env = c.env as Partial<NodeBindings> | undefined;
  return env?.incoming === undefined || env.outgoing === undefined ? undefined : (env as NodeBindings);
}

export class NodeWay {
  readonly #gate: NodeGate;

  constructor(limiter: Limiter, dialects: readonly Dialect[]) {
    this.#gate = new NodeGate(limiter, dialects);
  }

  async pass(c: Context, next: Next, ask: NodeAsk, { incoming, outgoing }: NodeBindings): Promise<Refused | undefined> {
    await takeParsed(c, incoming);
    const outcome = await this.#gate.open(incoming, outgoing, ask);
    if (outcome === undefined) {
      // Nobody is there to read it; Hono wants an answer all the same.
      c.res = new Response(null, { status: 499 });
      return undefined;
    }
    if (!outcome.open) {
      const headers = mergedHeaders(outgoing, outcome.headers);
      return { refusal: outcome.refusal, response: refusalResponse({ ...outcome, headers }, c.req.method) };
    }
    c.set('headgate', this.#gate.admit(incoming, outgoing, outcome.passage));
    this.#gate.askPlain(incoming, outcome.passage);
    // Only where somebody has looked at all headers before, a copy of them holds it still.
    if (incoming.headers['accept-encoding'] === undefined && c.req.raw.headers.has('accept-encoding')) {
      c.req.raw.headers.delete('accept-encoding');
    }
    const { body, unasked } = outcome.passage;
    if (body !== undefined) {
      c.req.bodyCache = { text: Promise.resolve(body) as never };
      // Where node-server looks for a body that was read before; for handlers that hand `c.req.raw` on.
      incoming.rawBody = Buffer.from(body);
    } else if (unasked !== undefined && !isParsed(c)) incoming.rawBody = Buffer.from(unasked);
    await next();
    return undefined;
  }
}

/** Where somebody has read the body through Hono, it is in Hono's cache; the gate looks for it where Node's parsers leave it. */
async function takeParsed(c: Context, incoming: NodeBindings['incoming']): Promise<void> {
  if (incoming.readableEnded && isParsed(c)) incoming.body = await c.req.text();
}
