/** What holds when nobody wrote a policy. */

/** `headgate serve` without a file: the smallest useful policy of the documentation. */
export const servePolicy = { requests: '60/min burst 10' } as const;

/** `headgate demo`: low enough to meet a limit by hand, high enough to work with. */
export const demoPolicy = {
  requests: '60/min burst 10',
  concurrency: 4,
  output: 1024,
  limits: [
    { name: 'generate', match: { operation: 'generate' }, requests: '10/min burst 3' },
    { name: 'embed', match: { operation: 'embed' }, requests: '60/min burst 20' },
  ],
  log: { format: 'pretty' },
} as const;
