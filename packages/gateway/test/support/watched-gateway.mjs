// A gateway in a process of its own that watches what it costs. Arguments: the backend's address.
// Prints its address; for each line on its input it prints the processor time that it used since the last one, and the one that
// it takes now to parse a megabyte of JSON, in milliseconds. While it uses none, it holds nobody up; and other
// processes on a busy machine do not add to it, as they would to the time that passes.

import { createInterface } from 'node:readline';
import { startGateway } from '../../dist/index.js';

const megabyte = JSON.stringify('a'.repeat(1024 * 1024));

function usedMs(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
}

const gateway = await startGateway({
  policy: { tokens: '100M/hour', backends: [process.argv[2]] },
  port: 0,
  log: false,
});
console.log(gateway.url);
let before = process.cpuUsage();
for await (const _ of createInterface({ input: process.stdin })) {
  const requestMs = usedMs(before);
  const from = process.cpuUsage();
  JSON.parse(megabyte);
  console.log(`${requestMs} ${usedMs(from)}`);
  before = process.cpuUsage();
}
await gateway.close({ drainMs: 0 });
