/** What `serve` and `demo` share: listen, say so, and stop in order when told to. */
import type { Policy } from '@headgate/core';
import { type Gateway, type GatewayOptions, startGateway } from '../server/gateway.js';
import { flushSpans } from '../trace/request-span.js';
import { CommandError } from './usage.js';
import { warningsOf } from './warnings.js';

/** Starts the gateway and prints the line that says that it is ready. */
export async function listen(options: GatewayOptions & { readonly policy: Policy }): Promise<Gateway> {
  const { policy } = options;
  const host = options.host ?? policy.listen.host;
  const port = options.port ?? policy.listen.port;
  let gateway: Gateway;
  try {
    gateway = await startGateway(options);
  } catch (error) {
    throw listenProblem(error, host, port);
  }
  for (const warning of warningsOf(policy, host)) console.error(`headgate: warning: ${warning}`);
  console.log(`listening on ${gateway.url}`);
  return gateway;
}

function listenProblem(error: unknown, host: string, port: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new CommandError(
        `port ${port} on ${host} is taken: stop what listens there, or choose another with --port N or PORT=N`,
      );
    case 'EACCES':
      return new CommandError(`port ${port} needs rights this user does not have: choose one above 1023 with --port N`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(`${host} is no address of this machine: choose another with --host H`);
    default:
      return error;
  }
}

/**
 * Resolves when the gateway has stopped: after the first SIGTERM or SIGINT it drains, a second one ends the process.
 * @param onStopped what else is to be closed
 */
export function untilStopped(gateway: Gateway, onStopped: () => Promise<void> = async () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(0);
      asked = true;
      console.error('headgate: draining; a second signal ends at once');
      gateway.close().then(onStopped).then(flushSpans).then(resolve, reject);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}
