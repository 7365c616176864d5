/** Amounts that are never reached: every request is let through, and counted on all limits. */
export const oneLimit = { requests: '1M/s' };

export const sixLimits = {
  requests: '1M/s',
  tokens: ['1000000M/hour', '1000000M/day'],
  concurrency: 10_000,
  limits: [
    { name: 'chat', match: { operation: 'chat' }, per: ['identity', 'model'], requests: '1M/s' },
    { name: 'house', per: 'all', tokens: '1000000M/min' },
  ],
};
