/** The whole policy as one zod schema. Its input side is what the JSON Schema for editors is made from. */
import { z } from 'zod';
import { admin, alerts, client, guard, headers, listen, log, prices, queue, store, timeZone } from './gateway.js';
import { identitySchema } from './identity.js';
import { jobs } from './jobs.js';
import { count, durationOrZero, section, word } from './leaf.js';
import { limitSchema } from './limits.js';
import { backendsSchema, poolSchema } from './pool.js';
import { tierSchema, tierShape } from './tiers.js';

export const policyShape = {
  listen: listen.optional().describe('Gateway only: where it listens; 127.0.0.1:8080 unless said'),
  store: store.optional().describe('Where counters live'),
  timeZone: timeZone.optional().describe('Where calendar days, weeks and months begin'),
  identity: identitySchema.optional().describe('The first that recognises the request wins'),
  tiers: z
    .record(z.string(), tierSchema, {
      error: () => 'a mapping of names to tiers, such as `free: { requests: 60/min }`',
    })
    .optional(),
  limits: z
    .array(limitSchema, { error: () => 'a list of limits, such as `- { name: house, per: all, concurrency: 100 }`' })
    .optional()
    .describe('On top of the tier, for everyone they match'),
  queue: queue.optional(),
  keys: count.optional().describe('Counters kept in memory'),
  client: client.optional().describe('Time and connections allowed to clients'),
  log: log.optional(),
  onClientGone: word(['cancel', 'finish']).optional().describe('finish: let the backend end and charge all of it'),
  onBudgetSpent: word(['finish-cleanly', 'error']).optional(),
  reserve: word(['expected', 'strict']).optional().describe('What is set aside for the output of a request'),
  admin: admin.optional(),
  drain: durationOrZero.optional().describe('How long running requests may take to end on SIGTERM'),
  prices: prices.optional().describe('For `cost`: dollars per million tokens or per second of the accelerator'),
  backends: backendsSchema.optional(),
  pool: poolSchema.optional(),
  guard: guard.optional().describe('What a client may ask of Ollama'),
  headers: headers.optional().describe('Which limit headers answers carry'),
  alerts: alerts.optional(),
  jobs: jobs.optional().describe('Gateway only: requests to be made later, kept in Redis'),
  ...tierShape,
};

export const policySchema = section(policyShape, 'a mapping such as `{ requests: 60/min burst 10 }`').meta({
  id: 'Policy',
  title: 'Headgate policy',
});
