/** The gate as adapters to frameworks on Node's own requests and responses use it, step by step. */
import { applicationGate, type HttpLimiter, type Identification } from '../http/adapter.js';
import type { Dialect } from '../http/dialect.js';
import type { Gate } from '../http/gate.js';
import { type Headgate, headersOf, headgateOf } from '../http/headgate.js';
import type { Place } from '../http/meaning.js';
import type { Opened, Passage, Turned } from '../http/passage.js';
import { producesTokens } from '../http/settlement.js';
import { isLater } from '../kernel/later.js';
import { restoreBody, returnBody } from './body.js';
import { mountedMeaning, nodeGateRequest } from './facts.js';
import type { NodeRequest } from './message.js';
import { setHeaders } from './refusal.js';
import { type TappedResponse, tapResponse } from './response-tap.js';

export interface NodeAsk extends Place {
  /** Who is asking, where the application knows better than the policy. */
  identify?(): Identification | Promise<Identification>;
}

export class NodeGate {
  readonly #limiter: HttpLimiter;
  readonly #dialects: readonly Dialect[];
  readonly #gate: Gate;

  constructor(limiter: HttpLimiter, dialects: readonly Dialect[]) {
    this.#limiter = limiter;
    this.#dialects = dialects;
    this.#gate = applicationGate(limiter, dialects);
  }

  /** Decides. Undefined when the client has gone meanwhile: whoever has left needs no answer, and no handler. */
  async open(req: NodeRequest, res: TappedResponse, ask: NodeAsk): Promise<Opened | Turned | undefined> {
    const { clock, policy } = this.#limiter;
    const meaning = mountedMeaning(req, ask, this.#dialects);
    const request = nodeGateRequest(req, res, { meaning, clock, bodyTimeoutMs: policy.client.bodyMs });
    try {
      const identified = ask.identify?.();
      const outcome = await this.#gate.open(request, isLater(identified) ? await identified : identified);
      if (!request.signal.aborted) return outcome;
      if (outcome.open) outcome.passage.permit.cancel();
    } catch (error) {
      if (!request.signal.aborted) throw error;
    }
    return undefined;
  }

  /**
   * For frameworks that compress an answer before it is written: asks for one that can be counted. Answers that bring
   * tokens only; a compressed one would be charged by estimate, or cut by bytes that nobody can read.
   */
  askPlain(req: NodeRequest, { route, reading }: Passage): void {
    if (!producesTokens(reading?.operation ?? route.operation)) return;
    delete req.headers['accept-encoding'];
    for (let i = req.rawHeaders.length - 2; i >= 0; i -= 2) {
      if (req.rawHeaders[i]!.toLowerCase() === 'accept-encoding') req.rawHeaders.splice(i, 2);
    }
  }

  /** Lets a request through: its answer is counted, its limits are told, and its body is the checked one. */
  admit(req: NodeRequest, res: TappedResponse, passage: Passage): Headgate {
    tapResponse(res, passage, this.#limiter);
    setHeaders(res, headersOf(passage));
    if (passage.body !== undefined) restoreBody(req, passage.body);
    else if (passage.unasked !== undefined) returnBody(req, passage.unasked);
    return headgateOf(passage);
  }
}
