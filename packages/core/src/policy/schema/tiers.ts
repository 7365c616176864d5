/** A tier: what one kind of identity may do. The same keys stand at the top of the policy for everyone without a tier. */
import { z } from 'zod';
import { measures, priorities } from '../../model.js';
import { count, duration, section, share, word } from './leaf.js';
import { tierRules } from './limits.js';
import { models } from './patterns.js';

const run = section(
  {
    toolCalls: count.optional().describe('Most tool calls of one run'),
    depth: count.optional().describe('Deepest nesting of agents'),
    time: duration.optional().describe('Longest wall time of one run'),
    tokens: count.optional().describe('Most tokens of one run'),
  },
  'a mapping such as `{ toolCalls: 20, depth: 5, time: 120s, tokens: 200k }`',
).describe('The envelope of one agent run');

export const tierShape = {
  extends: z
    .string({ error: () => 'the name of another tier' })
    .optional()
    .describe('Takes over every key of that tier that is not given here'),
  mode: word(['enforce', 'shadow']).optional().describe('shadow: dry run of everything in it'),
  models: models.optional().describe('Models or patterns that may be used; all unless said'),
  priority: word(priorities).optional().describe('Place in the queue'),
  requests: tierRules('requests', 'Requests per period: a token bucket unless said'),
  tokens: tierRules('tokens', 'Input and output tokens per period'),
  inputTokens: tierRules('inputTokens', 'Input tokens per period'),
  outputTokens: tierRules('outputTokens', 'Output tokens per period'),
  cost: tierRules('cost', 'Dollars per period, by `prices`'),
  gpuSeconds: tierRules('gpuSeconds', 'Seconds of the accelerator per period'),
  concurrency: tierRules('concurrency', 'Requests at once'),
  toolCalls: tierRules('toolCalls', 'Tool calls per period'),
  input: count.optional().describe('Most prompt tokens of one request'),
  output: count.optional().describe('Most output tokens of one request'),
  contextAlert: share.optional().describe("Share of the model's context a prompt may fill before an event"),
  run: run.optional(),
};

/** Failures are counted before it is known whose they are, so a tier cannot limit them. */
export const tierMeasures = measures.filter((measure) => measure !== 'failures');

export const tierSchema = section(tierShape, 'a mapping such as `{ requests: 60/min, models: [llama3.1:8b] }`');
export type TierEntry = z.output<typeof tierSchema>;
