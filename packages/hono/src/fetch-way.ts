/** On runtimes that know nothing but `Request` and `Response`: the answer is counted as its body is read. */
import type { Dialect, Gate, Limiter } from '@headgate/core';
import {
  answerThrough,
  applicationGate,
  fetchGateRequest,
  headersOf,
  headgateOf,
  type Identification,
  type Place,
  refusalResponse,
  withBody,
} from '@headgate/core/http';
import type { Context, Next } from 'hono';
import { isParsed } from './parsed.js';
import type { Refused } from './refused.js';

export interface FetchAsk extends Place {
  readonly address: string | undefined;
  identify(): Identification | Promise<Identification>;
}

export class FetchWay {
  readonly #limiter: Limiter;
  readonly #dialects: readonly Dialect[];
  readonly #gate: Gate;

  constructor(limiter: Limiter, dialects: readonly Dialect[]) {
    this.#limiter = limiter;
    this.#dialects = dialects;
    this.#gate = applicationGate(limiter, dialects);
  }

  async pass(c: Context, next: Next, { identify, ...ask }: FetchAsk): Promise<Refused | undefined> {
    const { clock, policy } = this.#limiter;
    const { raw } = c.req;
    const { method, signal } = raw;
    const read = { clock, bodyTimeoutMs: policy.client.bodyMs, dialects: this.#dialects, ...ask };
    const facts = fetchGateRequest(raw, read);
    const { readBody } = facts;
    const outcome = await this.#gate.open(
      { ...facts, readBody: (bytesMax) => (isParsed(c) ? parsed(c) : readBody(bytesMax)) },
      await identify(),
    );
    if (!outcome.open) return { refusal: outcome.refusal, response: refusalResponse(outcome, method) };
    const { passage } = outcome;
    if (passage.body !== undefined) {
      c.req.raw = withBody(raw, passage.body);
      c.req.bodyCache = {};
    } else if (passage.unasked !== undefined && !isParsed(c)) {
      c.req.raw = new Request(raw, { body: passage.unasked as Uint8Array<ArrayBuffer> });
    }
    c.set('headgate', headgateOf(passage));
    const respond = async (): Promise<Response> => {
      await next();
      return c.res;
    };
    const answer = await answerThrough(passage, respond, { method, signal, policy, headers: headersOf(passage) });
    // Setting it anew would put the headers of the old one on it once more.
    c.res = undefined;
    c.res = answer;
    return undefined;
  }
}

async function parsed(c: Context): Promise<{ readonly ok: true; readonly bytes: Uint8Array }> {
  return { ok: true, bytes: new Uint8Array(await c.req.arrayBuffer()) };
}
