/** One contestant as a process: tells its port, and the processor's time it has used whenever it is asked. */
import type { AddressInfo } from 'node:net';
import { type Framework, start, type Variant } from './contestants.js';

const [framework, variant] = process.argv.slice(2) as [Framework, Variant];
const server = await start(framework, variant);
process.send!({ port: (server.address() as AddressInfo).port });
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send!({ cpuMicros: user + system });
});
process.on('disconnect', () => process.exit());
