/** One request from its arrival to the exchange with a backend, or to its refusal. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  type BodyOutcome,
  type Gate,
  type GateRequest,
  type Passage,
  type Refusal,
  refuse,
  type Turned,
} from '@headgate/core';
import { ClientGoneError, nodeGateRequest, whenClosed, writeRefusalBody, writeRefusalHead } from '@headgate/core/node';
import { bearsKey } from '../admin/access.js';
import { type AdminPages, answerJson, challenges } from '../admin/pages.js';
import { Exchange, type ExchangeContext } from '../exchange/exchange.js';
import { type Began, type RequestRecord, type RequestTrace, recordOf } from '../exchange/record.js';
import { writeJobsAnswer } from '../jobs/answer.js';
import type { Jobs } from '../jobs/jobs.js';
import { type Caller, whoAsks } from './caller.js';
import { headProblem } from './head-problem.js';
import type { Origins } from './origins.js';
import { turnUnreadable } from './unreadable.js';
import { Untold } from './untold.js';

export interface HandlerOptions extends ExchangeContext {
  readonly gate: Gate;
  readonly pages: AdminPages;
  readonly origins: Origins;
  /** Begins the trace of a request, where somebody has set up tracing. */
  readonly trace: (request: IncomingMessage, began: Began) => RequestTrace | undefined;
  readonly jobs: Jobs;
  /** Called once for each request that is no admin page, or asks for one with a wrong key, when its answer is delivered or its client gone. */
  readonly onDone: (record: RequestRecord) => void;
  /** Called once for each request that a page of jobs has answered, and each preflight. */
  readonly onServed: (record: RequestRecord) => void;
  /** A bug of ours. */
  readonly onError: (error: unknown) => void;
}

/** A request that is not decided yet. */
interface Arrival {
  readonly request: IncomingMessage;
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean;
  readonly problem: Refusal | undefined;
  /** Set where the gateway itself asks. */
  readonly caller: Caller | undefined;
  /** The bytes of its body turned out not to be framed as a body. */
  isMalformed: boolean;
  onMalformed: () => void;
}

const onMalformed = (): void => {};
const malformed: BodyOutcome = { ok: false, reason: 'malformed' };
const malformedBody = 'the request body is not framed as HTTP frames one.';

export class Handler {
  readonly #options: HandlerOptions;
  /** The last request of each connection, while it is not decided. */
  readonly #arriving = new WeakMap<Socket, Arrival>();

  readonly untold = new Untold();

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const badHead = headProblem(request);
    const page = badHead === undefined && this.#options.pages.answer(request, response);
    if (page === true) return;
    const visit = page === false ? this.#options.origins.judge(request, response) : undefined;
    if (visit === true) {
      this.#whenOver({ caller: undefined }, response, this.#record(request));
      return;
    }
    const problem = badHead ?? visit;
    const arrival = { request, expectsContinue, problem, caller: undefined, isMalformed: false, onMalformed };
    this.#begin(arrival, response, page === false ? undefined : page);
  }

  /** Serves a request of the gateway's own as it would anybody's. */
  handleOwn(request: IncomingMessage, response: ServerResponse, caller: Caller): void {
    const own = { expectsContinue: false, problem: undefined };
    this.#begin({ request, ...own, caller, isMalformed: false, onMalformed }, response);
  }

  /** @param wrongKey why it is refused, where it asked for a page with a key that is wrong */
  #begin(arrival: Arrival, response: ServerResponse, wrongKey?: Refusal): void {
    const { request } = arrival;
    const record = this.#record(request);
    this.#arriving.set(request.socket, arrival);
    this.#served(arrival, response, record, wrongKey).catch((error: unknown) => {
      this.#options.onError(error);
      if (response.headersSent) response.destroy();
      else answerJson(response, 500, { error: 'the gateway failed; its log says why.' });
    });
  }

  #served(
    arrival: Arrival,
    response: ServerResponse,
    record: RequestRecord,
    wrongKey: Refusal | undefined,
  ): Promise<void> {
    const { request, caller } = arrival;
    if (wrongKey !== undefined) return this.#serveWrongKey(arrival, response, record, wrongKey);
    const isJobs = caller === undefined && this.#options.jobs.serves(request.url ?? '');
    return isJobs ? this.#serveJobs(arrival, response, record) : this.#serve(arrival, response, record);
  }

  /**
   * Nothing more can be read from the connection, because what came is no HTTP.
   * @returns whether that was in the body of a request that will be refused for it
   */
  malformed(socket: Socket): boolean {
    const arrival = this.#arriving.get(socket);
    if (arrival === undefined || arrival.request.complete) return false;
    arrival.isMalformed = true;
    arrival.onMalformed();
    return true;
  }

  /** What came is no request, or none for us. Clients that open connections ahead of need and send nothing are no news. */
  async unreadable(socket: Socket, status: number, message: string): Promise<Turned> {
    const turned = await turnUnreadable(this.#options.gate, socket, status, message);
    if (socket.bytesRead > 0 || status === 429) {
      const { about, refusal } = turned;
      const said = { method: '', httpVersion: '', target: '', referer: '', userAgent: '', tries: 0, bytes: 0 };
      const decided = { about, decision: 'refused', refusal, status, totalMs: 0 } as const;
      this.#options.onDone({ ...this.#began(socket), ...said, ...decided });
    }
    return turned;
  }

  async #serve(arrival: Arrival, response: ServerResponse, record: RequestRecord): Promise<void> {
    const { gate, limiter } = this.#options;
    let answer: Awaited<ReturnType<Gate['open']>>;
    try {
      const who = arrival.caller && whoAsks(arrival.caller, limiter.policy);
      answer = await gate.open(this.#gateRequest(arrival, response, record), who);
    } catch (error) {
      if (!(error instanceof ClientGoneError)) throw error;
      record.decision = 'gone';
      this.#whenOver(arrival, response, record);
      return;
    }
    this.#decided(arrival, response);
    const { isMalformed } = arrival;
    let exchange: Exchange | undefined;
    if (!answer.open) this.#refuse(answer, response, record);
    else if (isMalformed) {
      answer.passage.permit.cancel();
      this.#refuse(answer.passage.turn(refuse('bad-request', malformedBody)), response, record);
    } else {
      arrival.caller?.onPassage(answer.passage);
      exchange = this.#exchange(answer.passage, response, record);
    }
    // After other refusals the rest of the body is read and dropped; of this one nothing more can be read.
    if (isMalformed) response.end();
    // Last, so that whoever else waits for the end has written down what there is to be.
    this.#whenOver(arrival, response, record, exchange);
  }

  async #serveJobs(arrival: Arrival, response: ServerResponse, record: RequestRecord): Promise<void> {
    const { jobs, limiter } = this.#options;
    const isAdmin = bearsKey(arrival.request, limiter.policy.admin.key);
    const answer = await jobs.answer(this.#gateRequest(arrival, response, record), isAdmin);
    this.#decided(arrival, response);
    if (answer.open) {
      record.about = answer.about;
      record.bytes = writeJobsAnswer(response, answer);
    } else this.#refuse(answer, response, record);
    if (arrival.isMalformed) response.end();
    this.#whenOver(arrival, response, record);
  }

  async #serveWrongKey(
    arrival: Arrival,
    response: ServerResponse,
    record: RequestRecord,
    refusal: Refusal,
  ): Promise<void> {
    const asked = this.#gateRequest(arrival, response, record);
    const turned = await this.#options.gate.refuseWrong(asked, refusal);
    this.#decided(arrival, response);
    this.#refuse(turned, response, record, turned.status === 401 ? challenges : undefined);
    if (arrival.isMalformed) response.end();
    this.#whenOver(arrival, response, record);
  }

  /** It is known what to answer: what is still to come of the request is no part of it. */
  #decided(arrival: Arrival, response: ServerResponse): void {
    const { request, problem, isMalformed } = arrival;
    // What still comes after a malformed body is malformed too, and must not cut the refusal short.
    if (!isMalformed && this.#arriving.get(request.socket) === arrival) this.#arriving.delete(request.socket);
    const { closing } = this.#options.limiter;
    // After a head that two readers read differently nobody knows where the next request begins.
    if (closing || isMalformed || problem?.reason === 'bad-request') response.setHeader('connection', 'close');
  }

  /** Tells that the request is over once its answer is closed, and its permit has ended where it had one. */
  #whenOver(
    { caller }: Pick<Arrival, 'caller'>,
    response: ServerResponse,
    record: RequestRecord,
    exchange?: Exchange,
  ): void {
    const { limiter, onDone, onServed } = this.#options;
    const isServed = record.decision === undefined;
    const over = (): void => {
      record.totalMs = limiter.clock.now() - record.startedMs;
      if (response.headersSent) record.status = response.statusCode;
      if (isServed) onServed(record);
      else onDone(record);
      caller?.onDone(record);
    };
    whenClosed(response.req, response, () => {
      if (exchange === undefined) over();
      else this.untold.add(exchange.over.then(over));
    });
  }

  #exchange(passage: Passage, response: ServerResponse, record: RequestRecord): Exchange {
    record.decision = 'admitted';
    record.about = passage.about;
    record.waitedMs = this.#sinceRead(record);
    const exchange = new Exchange(this.#options, passage, response, record);
    exchange.start();
    return exchange;
  }

  /** @param challenged how to say who asks, where it is otherwise than for clients */
  #refuse(turned: Turned, response: ServerResponse, record: RequestRecord, challenged?: readonly string[]): void {
    const { clock } = this.#options.limiter;
    record.decision = 'refused';
    record.about = turned.about;
    record.refusal = turned.refusal;
    record.waitedMs = this.#sinceRead(record);
    record.bytes = Buffer.byteLength(turned.body);
    writeRefusalHead(response, turned);
    if (challenged !== undefined && !response.headersSent) response.setHeader('www-authenticate', challenged);
    writeRefusalBody(response, turned, clock);
  }

  /** How long the decision took once all of the request was here: its time in the queue, but for what deciding takes. */
  #sinceRead(record: RequestRecord): number {
    return this.#options.limiter.clock.now() - (record.bodyReadMs ?? record.startedMs);
  }

  /** The facts for the gate; notes when the body was there, because what comes after is waiting. */
  #gateRequest(arrival: Arrival, response: ServerResponse, record: RequestRecord): GateRequest {
    const { request, expectsContinue, problem, caller } = arrival;
    const { clock, policy } = this.#options.limiter;
    const facts = nodeGateRequest(request, response, { clock, bodyTimeoutMs: policy.client.bodyMs });
    const readBody: GateRequest['readBody'] = (bytesMax) => {
      if (expectsContinue && Number(request.headers['content-length'] ?? 0) <= bytesMax) response.writeContinue();
      return new Promise((resolve, reject) => {
        const end = (outcome: BodyOutcome): void => {
          record.bodyReadMs = clock.now();
          resolve(outcome);
        };
        const endMalformed = (): void => end(malformed);
        arrival.onMalformed = endMalformed;
        if (arrival.isMalformed) endMalformed();
        facts.readBody(bytesMax).then(end, reject);
      });
    };
    const { method, target, headers, signal } = facts;
    const remoteAddress = caller?.remoteAddress ?? facts.remoteAddress;
    const asked = { method, target, headers, remoteAddress, signal, readBody };
    return problem === undefined ? asked : { ...asked, problem };
  }

  #record(request: IncomingMessage): RequestRecord {
    const began = this.#began(request.socket);
    const trace = this.#options.trace(request, began);
    const record = recordOf(request, began);
    if (trace !== undefined) record.trace = trace;
    return record;
  }

  #began({ remoteAddress = '' }: Socket): Began {
    const { clock } = this.#options.limiter;
    return { startedAt: clock.wall(), startedMs: clock.now(), peer: remoteAddress.replace(/^::ffff:/i, '') };
  }
}
