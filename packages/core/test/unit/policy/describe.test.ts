import { expect, test } from 'vitest';
import { describeLimit } from '../../../src/policy/describe.js';
import { parsePolicy } from '../../../src/policy/parse.js';

test.each([
  [{ requests: '60/min' }, '60 requests per minute'],
  [{ requests: '10/min burst 3' }, '10 requests per minute, burst 3'],
  [{ requests: '1/s' }, '1 request per second'],
  [{ requests: '10/90s' }, '10 requests per 90 seconds'],
  [{ requests: '1000/day' }, '1000 requests per day'],
  [{ requests: '10r/m burst=3' }, '10 requests per minute, burst 4, past 1 at once the next ones wait'],
  [{ tokens: '100k/hour' }, '100k tokens per hour (rolling)'],
  [{ tokens: '1.5M/day' }, '1.5M tokens per day (calendar)'],
  [{ tokens: '5M/month' }, '5M tokens per month (calendar)'],
  [{ tokens: '4096/hour' }, '4096 tokens per hour (rolling)'],
  [{ tokens: '12345/hour' }, '12345 tokens per hour (rolling)'],
  [{ cost: '$5/day' }, '$5 per day (calendar)'],
  [{ cost: '$0.5/hour' }, '$0.50 per hour (rolling)'],
  [{ cost: '$0.0125/hour' }, '$0.0125 per hour (rolling)'],
  [{ concurrency: 5 }, '5 requests at once'],
  [{ concurrency: 1 }, '1 request at once'],
  [
    { failures: '5/min', block: '15min', per: 'address' },
    '5 failures per minute (rolling), then blocked for 15 minutes, longer each time',
  ],
])('%o reads as: %s', (entry, words) => {
  const policy = { limits: [entry], prices: { '*': { input: 1 } } };
  expect(describeLimit(parsePolicy(policy).limits[0]!)).toBe(words);
});
