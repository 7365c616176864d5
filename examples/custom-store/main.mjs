// Two limiters, as two worker threads would have them, on one set of counters: together they admit what the policy says once.
//
//   npm start
import { MessageChannel } from 'node:worker_threads';
import { createLimiter, MemoryStore, systemClock } from '@headgate/core';
import { PortStore, storeServer } from './port-store.mjs';

const policy = { limits: [{ name: 'chats', per: 'all', requests: '5/hour' }] };
const counters = new MemoryStore(systemClock());
const channels = [new MessageChannel(), new MessageChannel()];
const serve = storeServer(counters);
for (const { port1 } of channels) serve(port1);
const limiters = channels.map(({ port2 }) => createLimiter(policy, { store: new PortStore(port2) }));

const decisions = [];
for (let i = 0; i < 10; i++) decisions.push(await limiters[i % 2].admit({ identity: `user-${i}` }));
export const admitted = decisions.map((decision) => decision.admitted);
console.log(`admitted by two limiters together: ${admitted.filter(Boolean).length} of ${admitted.length}`);
for (const { port1 } of channels) port1.close();
