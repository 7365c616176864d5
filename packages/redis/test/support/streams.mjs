// A process that holds streams open on a backend that others use too. Told by its parent what to do.
import { createLimiter } from '@headgate/core';
import { Redis } from 'ioredis';
import { redisStore } from '../../dist/index.js';

/** A stream writes this often, ms. */
const chunkMs = 10;
let limiter;
/** A pause in which this process must have stood still for longer than it keeps a slot, ms. */
let stillMs;
const streams = [];
/** Chunks that were written after this process had stood still, before it was told that its slot is another's. */
let chunksLate = 0;
let aborted = 0;

class Stream {
  #permit;
  #timer;
  #at = performance.now();
  #isLate = false;

  constructor(permit) {
    this.#permit = permit;
    permit.signal.addEventListener('abort', () => {
      if (permit.signal.reason.code === 'HG_LEASE_LOST') aborted++;
      this.end();
    });
    this.#timer = setInterval(() => this.#write(), chunkMs);
  }

  #write() {
    const now = performance.now();
    this.#isLate ||= now - this.#at > stillMs;
    this.#at = now;
    if (this.#isLate) chunksLate++;
  }

  end() {
    clearInterval(this.#timer);
    if (!this.#permit.ended) this.#permit.settle({ inputTokens: 1, outputTokens: 1 });
  }
}

/** A machine so busy that Redis misses its deadline: nothing was let through, and it is asked again. */
async function admit() {
  for (;;) {
    const decision = await limiter.admit({ identity: 'ann' });
    if (decision.admitted || decision.refusal.reason !== 'store-down') return decision;
  }
}

const commands = {
  async start({ url, prefix, leaseMs, policy }) {
    stillMs = leaseMs;
    const store = redisStore(new Redis(url, { lazyConnect: true }), { prefix, leaseMs });
    limiter = createLimiter(policy, { store });
    await store.connected;
    return 'ready';
  },
  /** Resolves once all of them are through, with how long that took. */
  async open({ count }) {
    const from = performance.now();
    const decisions = await Promise.all(Array.from({ length: count }, admit));
    for (const { admitted, permit } of decisions) if (admitted) streams.push(new Stream(permit));
    return { opened: decisions.filter(({ admitted }) => admitted).length, tookMs: performance.now() - from };
  },
  async state() {
    return { aborted, chunksLate, inFlight: limiter.stats().inFlight };
  },
  async endAll() {
    for (const stream of streams.splice(0)) stream.end();
    return 'ended';
  },
};

process.on('message', async ({ do: what, ...more }) => process.send(await commands[what](more)));
