/**
 * Sends events to one webhook: one at a time, in order, signed, tried again with growing pauses, and given up in the end.
 * Nothing waits for it, and what it holds is bounded.
 */
import type { Clock } from '../kernel/clock.js';
import type { AlertEvent } from '../model.js';
import { signatureOf } from './signature.js';

/** Alerts held for a webhook that is slow; past this the newest are given up. */
const heldMax = 100;
const triesMax = 5;
const answerMsMax = 5_000;
const firstPauseMs = 1_000;

export interface WebhookOptions {
  readonly url: string;
  readonly secret?: string | undefined;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  readonly onFailed: (event: AlertEvent, tries: number, cause: string) => void;
}

interface Alert {
  readonly event: AlertEvent;
  readonly body: string;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #held: Alert[] = [];
  #sending = false;
  #closed = false;
  /** Ends the pause or the request that is going on. */
  #stop: () => void = () => {};

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Whether there is nothing to send. */
  get idle(): boolean {
    return !this.#sending;
  }

  send(event: AlertEvent, body: string): void {
    if (this.#closed) return;
    if (this.#held.length >= heldMax) {
      this.#options.onFailed(event, 0, `${heldMax} alerts wait for it already`);
      return;
    }
    this.#held.push({ event, body });
    if (!this.#sending) void this.#sendAll();
  }

  /** Gives up what is held. */
  close(): void {
    this.#closed = true;
    this.#held.length = 0;
    this.#stop();
  }

  async #sendAll(): Promise<void> {
    this.#sending = true;
    for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) await this.#deliver(next);
    this.#sending = false;
  }

  async #deliver({ event, body }: Alert): Promise<void> {
    for (let tries = 1; ; tries++) {
      const cause = await this.#post(event, body);
      if (cause === undefined || this.#closed) return;
      if (tries === triesMax) {
        this.#options.onFailed(event, tries, cause);
        return;
      }
      await this.#pause(firstPauseMs * 2 ** (tries - 1));
      if (this.#closed) return;
    }
  }

  /** Why it was not taken; undefined when it was. */
  async #post(event: AlertEvent, body: string): Promise<string | undefined> {
    const { url, secret, clock, fetch } = this.#options;
    const controller = new AbortController();
    const stop = (): void => controller.abort();
    this.#stop = stop;
    const timer = clock.after(answerMsMax, stop);
    try {
      const headers: Record<string, string> = { 'content-type': 'application/json', 'x-headgate-event': event };
      if (secret !== undefined) headers['x-headgate-signature'] = await signatureOf(secret, body, clock.wall());
      // A redirect would take the signed alert to an address that nobody chose.
      const answer = await fetch(url, { method: 'POST', headers, body, signal: controller.signal, redirect: 'manual' });
      await answer.body?.cancel();
      return answer.status >= 200 && answer.status < 300 ? undefined : `status ${answer.status}`;
    } catch (error) {
      if (controller.signal.aborted) return `no answer in ${answerMsMax / 1000}s`;
      return causeOf(error);
    } finally {
      timer.cancel();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      const stop = (): void => {
        timer.cancel();
        resolve();
      };
      this.#stop = stop;
    });
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : error.message;
}
