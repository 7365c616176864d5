/** The gateway as a library, for tests and for programs that bring their own command line. */

export { readPolicyFile } from './config/policy-file.js';
export type { LogSink } from './log/access-log.js';
export { type Gateway, type GatewayOptions, startGateway } from './server/gateway.js';
