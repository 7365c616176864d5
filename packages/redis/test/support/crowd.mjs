// One of several processes that ask for the same limits at once. Told by its parent what to ask, and says what it was let through.
import { Redis } from 'ioredis';
import { redisStore } from '../../dist/index.js';

const inFlight = 100;
const nothing = { inputTokens: 0, outputTokens: 0, cost: 0, gpuSeconds: 0, failures: 0, toolCalls: 0 };

/** A machine that stands still makes commands too late, which Redis then does not execute: they are asked again. */
async function inTime(ask) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (error.code !== 'HG_STORE_DOWN') throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

process.once('message', async ({ url, prefix, limits, requests, identities, reserved }) => {
  const store = redisStore(new Redis(url, { lazyConnect: true }), { prefix });
  const gauge = new Redis(url);
  store.configure(limits, { timeZone: 'UTC', keysMax: 1 });
  const sets = limits.map((limit) => store.prepare([limit]));
  const admitted = limits.map(() => new Array(identities).fill(0));
  const used = new Array(identities).fill(0);
  let atOnceMax = 0;

  const one = async (i) => {
    const which = i % limits.length;
    const who = Math.floor(i / limits.length) % identities;
    const subject = { identity: `id${who}`, address: '', model: '', tier: 'default', run: '' };
    const cost = { ...nothing, requests: 1, inputTokens: reserved };
    const receipt = await inTime(() => store.reserve(sets[which], subject, cost));
    if (!receipt.admitted) return;
    admitted[which][who]++;
    const { measure } = limits[which];
    if (measure === 'concurrency') {
      // Counted by somebody else, between being let through and giving back.
      atOnceMax = Math.max(atOnceMax, await gauge.incr(`${prefix}-at-once`));
      await gauge.decr(`${prefix}-at-once`);
    }
    const inputTokens = measure === 'tokens' ? i % (reserved + 1) : reserved;
    if (measure === 'tokens') used[who] += inputTokens;
    await store.settle(receipt, { ...nothing, requests: 1, inputTokens });
  };

  let next = 0;
  const lane = async () => {
    while (next < requests) await one(next++);
  };

  await store.connected;
  process.once('message', async () => {
    await Promise.all(Array.from({ length: inFlight }, lane));
    process.send({ admitted, used, atOnceMax });
    await store.close();
    gauge.disconnect();
    process.disconnect();
  });
  process.send('ready');
});
