// A gateway in a process of its own that watches its own event loop. Arguments: the backend's address.
// Prints its address; for each line on its input it prints the longest stall since the last one, in milliseconds.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { startGateway } from '../../dist/index.js';

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const gateway = await startGateway({
  policy: { tokens: '100M/hour', backends: [process.argv[2]] },
  port: 0,
  log: false,
});
console.log(gateway.url);
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(delay.max / 1e6);
  delay.reset();
}
await gateway.close({ drainMs: 0 });
