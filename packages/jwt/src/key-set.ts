/**
 * The keys of one identity provider, as its JWKS address gives them. They are kept and asked for again when
 *
 *   older than 10 minutes     in the background, while the old ones are used
 *   a token names another     at most once in 30 seconds, so that made-up names do not become requests
 *   older than a day          first: keys that could not be had anew for so long are not believed any more
 *
 * So keys that are changed over are known with the first token that they sign, and a provider that is down for a while
 * locks nobody out.
 */
import type { Clock } from '@headgate/core';
import type { JSONWebKeySet } from 'jose';

const freshMs = 10 * 60_000;
const believedMs = 24 * 3_600_000;
const pauseMs = 30_000;
/** After an attempt that failed; sooner, since nobody gets in meanwhile. */
const retryPauseMs = 5_000;
const answerMsMax = 5_000;
const bytesMax = 256 * 1024;

export class KeySet {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  #keys: JSONWebKeySet | undefined;
  /** When they were had, on the clock, ms. */
  #hadAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(url: string, fetch: typeof globalThis.fetch) {
    this.#url = url;
    this.#fetch = fetch;
  }

  /** The keys; undefined when there are none to be had. */
  async current(clock: Clock): Promise<JSONWebKeySet | undefined> {
    const ageMs = clock.now() - this.#hadAt;
    if (ageMs < freshMs) return this.#keys;
    const asked = this.#ask(clock, this.#keys === undefined ? retryPauseMs : pauseMs);
    if (ageMs < believedMs) return this.#keys;
    await asked;
    return clock.now() - this.#hadAt < believedMs ? this.#keys : undefined;
  }

  /** The keys when they are others than these, which did not have the one that a token names. */
  async newer(clock: Clock, than: JSONWebKeySet): Promise<JSONWebKeySet | undefined> {
    if (this.#keys === than) await this.#ask(clock, pauseMs);
    return this.#keys === than ? undefined : this.#keys;
  }

  #ask(clock: Clock, pause: number): Promise<void> {
    if (this.#asking === undefined && clock.now() - this.#triedAt >= pause) {
      this.#triedAt = clock.now();
      this.#asking = this.#load(clock).finally(() => {
        this.#asking = undefined;
      });
    }
    return this.#asking ?? Promise.resolve();
  }

  async #load(clock: Clock): Promise<void> {
    const controller = new AbortController();
    const timer = clock.after(answerMsMax, () => controller.abort());
    try {
      const headers = { accept: 'application/json, application/jwk-set+json' };
      // A redirect would have keys of an address that nobody wrote down.
      const answer = await this.#fetch(this.#url, { headers, redirect: 'error', signal: controller.signal });
      const text = answer.ok ? await boundedText(answer) : undefined;
      const keys: unknown = text === undefined ? undefined : JSON.parse(text);
      if (!isKeySet(keys)) return;
      this.#keys = keys;
      this.#hadAt = clock.now();
    } catch {
      // The keys from before stay, for as long as they are believed.
    } finally {
      timer.cancel();
    }
  }
}

/** Undefined for a body that is longer than any set of keys. */
async function boundedText(answer: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  if (typeof value !== 'object' || value === null) return false;
  const { keys } = value as { readonly keys?: unknown };
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null);
}
