/** One bare proxy as a process. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bareProxy, type ProxyName } from './proxies.js';

const [name, target] = process.argv.slice(2) as [ProxyName, string];
const server = createServer({ keepAliveTimeout: 60_000 }, bareProxy(name, target));
server.listen(0, '127.0.0.1', 4_096, () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
