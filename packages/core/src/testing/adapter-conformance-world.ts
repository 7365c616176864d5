/** What the adapter suite works with: a handler without a framework, a client, and a log of what the limiter said. */
import { createLimiter } from '../create-limiter.js';
import type { EventName, LimiterEvents } from '../events.js';
import { systemClock } from '../kernel/clock.js';
import type { Limiter } from '../limiter.js';
import type { Usage } from '../model.js';
import type { Permit } from '../settlement/permit.js';
import { VirtualClock } from './virtual-clock.js';

/** One request as a handler behind the adapter sees it, and its answer. The harness puts it on top of a framework. */
export interface Exchange {
  readonly method: string;
  /** The JSON body as the handler finds it: from the parser that ran, or from the request itself. */
  body(): Promise<unknown>;
  /** The permit that the adapter left on the request. */
  readonly permit: Permit;
  /** The same value for every request of one connection. */
  readonly connection: unknown;
  /** Aborts when the framework knows that the client has gone. */
  readonly gone: AbortSignal;
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** False when the client reads slower than this: wait for `drained` then. */
  write(text: string): boolean;
  /** Resolves when more may be written; rejects, or stays pending, when nobody reads any more. */
  drained(): Promise<void>;
  end(text?: string): void;
  /** Breaks the answer off, as a proxy does whose backend died. */
  breakOff(): void;
}

/** May reject, before the head or after: the framework must cope. */
export type ConformanceHandler = (exchange: Exchange) => Promise<void>;

export interface AdapterSetup {
  /** One adapter for each, the outermost first. */
  readonly limiters: readonly Limiter[];
  /**
   * The path that adapters and handler stand below, as the framework mounts things: empty for the whole server, `/ai`, or one
   * with a parameter as the framework writes them, `/teams/:team`.
   */
  readonly mount: string;
  /** What only the handler stands below, in a router or plugin of its own behind the adapters: empty for none, or `/crm`. */
  readonly prefix: string;
  /** Where the framework's own JSON parser stands, as seen from the adapter. */
  readonly parser: 'none' | 'before' | 'after';
  readonly handler: ConformanceHandler;
}

export interface AdapterServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface AdapterHarness {
  /** Starts a server on a free port of 127.0.0.1 that sends every request through the adapters to the handler. */
  start(setup: AdapterSetup): Promise<AdapterServer>;
}

/** What an adapter must do; rejects when it does not. */
export type ScenarioBody = (harness: AdapterHarness) => Promise<void>;

interface Ending {
  readonly kind: 'settled' | 'cancelled';
  readonly usage: Usage | undefined;
}

/** Longest that a condition may take to come true, ms of real time. */
const patienceMs = 30_000;

const heard: readonly EventName[] = [
  'request-refused',
  'waiter-left',
  'permit-released',
  'reservation-settled',
  'reservation-cancelled',
  'permit-ended-twice',
];

/** A limiter, and how every one of its permits ended. */
export class Ledger {
  readonly clock = new VirtualClock();
  readonly limiter: Limiter;
  readonly words: string[] = [];
  readonly #endings = new Map<string, Ending[]>();

  constructor(policy: object) {
    this.limiter = createLimiter(policy, { clock: this.clock });
    for (const name of heard) this.limiter.on(name, (event) => this.#note(name, event));
  }

  #note(name: EventName, event: LimiterEvents[EventName]): void {
    this.words.push(name);
    if ('permitId' in event && name.startsWith('reservation-')) {
      const endings = this.#endings.get(event.permitId) ?? [];
      this.#endings.set(event.permitId, endings);
      if (name === 'reservation-settled') endings.push({ kind: 'settled', usage: (event as { usage: Usage }).usage });
      else if (name === 'reservation-cancelled') endings.push({ kind: 'cancelled', usage: undefined });
    }
  }

  count(name: EventName): number {
    return this.words.filter((word) => word === name).length;
  }

  /** Resolves once the condition holds; rejects when it does not in half a minute. */
  until(condition: (ledger: Ledger) => boolean, what: string): Promise<void> {
    const real = systemClock();
    const deadline = real.now() + patienceMs;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (condition(this)) resolve();
        else if (real.now() < deadline) real.after(1, look);
        else reject(new Error(`expected ${what}; the limiter says ${JSON.stringify(this.limiter.stats())}`));
      };
      look();
    });
  }

  /** Waits until nothing is in flight, waiting or reserved, and checks that every permit ended once. Returns how. */
  async atRest(): Promise<readonly Ending[]> {
    await this.until(({ limiter }) => {
      const { inFlight, waiting, open } = limiter.stats();
      return inFlight === 0 && waiting === 0 && open === 0;
    }, 'everything to be given back');
    equal(this.count('permit-ended-twice'), 0, 'permits that were ended twice');
    for (const [permitId, endings] of this.#endings) equal(endings.length, 1, `endings of permit ${permitId}`);
    equal(this.#endings.size, this.count('permit-released'), 'permits that ended');
    return [...this.#endings.values()].flat();
  }
}

export interface World {
  readonly ledger: Ledger;
  readonly url: string;
  /** Sends a chat request, as JSON. */
  chat(more?: {
    readonly signal?: AbortSignal;
    readonly method?: string;
    readonly path?: string;
    readonly body?: object;
  }): Promise<Response>;
}

export interface WorldSetup {
  readonly policy: object;
  /** A second limiter, inside the first. */
  readonly inner?: Ledger;
  readonly mount?: string;
  readonly prefix?: string;
  readonly parser?: AdapterSetup['parser'];
  readonly handler: ConformanceHandler;
}

/** Runs a scenario against a fresh server, and checks at its end that everything was given back once. */
export async function inWorld(
  harness: AdapterHarness,
  setup: WorldSetup,
  scenario: (world: World) => Promise<void>,
): Promise<void> {
  const ledger = new Ledger(setup.policy);
  const ledgers = [ledger, ...(setup.inner === undefined ? [] : [setup.inner])];
  const limiters = ledgers.map(({ limiter }) => limiter);
  const { mount = '', prefix = '', parser = 'none', handler } = setup;
  const server = await harness.start({ limiters, mount, prefix, parser, handler });
  const chat: World['chat'] = ({ signal, method = 'POST', path = '/api/chat', body = question } = {}) =>
    fetch(`${server.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  try {
    await scenario({ ledger, url: server.url, chat });
    for (const each of ledgers) await each.atRest();
  } finally {
    await server.close();
  }
}

export const question = { model: 'llama3.2', messages: [{ role: 'user', content: 'Why is the sky blue?' }] };
export const streamHead = { 'content-type': 'application/x-ndjson' };

/** One chunk of a native chat stream: one token. */
export function chunkLine(word: string): string {
  return `${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content: word }, done: false })}\n`;
}

export function lastLine(inputTokens: number, outputTokens: number): string {
  const usage = { prompt_eval_count: inputTokens, eval_count: outputTokens };
  const message = { role: 'assistant', content: '' };
  return `${JSON.stringify({ model: 'llama3.2', message, done: true, done_reason: 'stop', ...usage })}\n`;
}

/** Room for everyone. */
export const roomy = { requests: '1000/min' };
export const oneAtOnce = { limits: [{ name: 'house', per: 'all', concurrency: 1 }] };
/** What `answerWhole` sends. */
export const streamed = `${chunkLine('Because')}${lastLine(12, 1)}`;

/** Answers with a whole stream. */
export async function answerWhole(exchange: Exchange): Promise<void> {
  exchange.head(200, streamHead);
  exchange.write(chunkLine('Because'));
  exchange.end(lastLine(12, 1));
}

/** A promise with its handles outside. */
export function signalled<Value = void>(): { readonly promise: Promise<Value>; readonly give: (value: Value) => void } {
  let give: (value: Value) => void = () => {};
  const promise = new Promise<Value>((resolve) => {
    give = resolve;
  });
  return { promise, give };
}

/** Reads until so many lines are there; leaves the rest unread. */
export async function readLines(reader: ReadableStreamDefaultReader<Uint8Array>, lines: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  while (text.split('\n').length <= lines) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  return text;
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new Error(`${what}: expected ${should}, got ${is}`);
}

export function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected ${what}`);
}

/** The error a promise rejects with. */
export async function failureOf(promise: Promise<unknown>, what: string): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected ${what} to fail`);
}
