/** What the command line looks like, and what is wrong with one that does not. */
import { isIPv6 } from 'node:net';

export const help = `headgate: limits, fairness and metering in front of Ollama

usage
  headgate serve [--config FILE] [--port N] [--host H] [--backend URL ...]
                            run the gateway; without FILE a default policy, in front of OLLAMA_HOST or 127.0.0.1:11434
  headgate check FILE       validate a policy and print its limits
  headgate replay FILE --log LOG [--json]
                            what a policy would have refused of past traffic: an access log, the gateway's own, or a trace
  headgate key [--id ID] [--tier TIER]
                            a new API key, and its line for the policy
  headgate demo [--port N]  the gateway in front of Ollama, or of simulated servers where none answers
  headgate --help | --version

environment
  PORT                      the port, unless --port is given
  OLLAMA_HOST               where Ollama is, when the policy names no backends
`;

/** The command line is not one of these: exit status 2. */
export class UsageError extends Error {}

/** What was asked for cannot be done, and the message says why and what helps: exit status 1. */
export class CommandError extends Error {}

/** A port number, from `--port` or the environment. */
export function portOf(text: string | undefined, source: string): number | undefined {
  const given = text?.trim() ?? '';
  if (given === '') return undefined;
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`${source} must be a port from 0 to 65535, not "${text}"`);
  return port;
}

/** What `--host` names, without the brackets that an address of IPv6 has in a URL. */
export function hostOf(text: string | undefined): string | undefined {
  const host = text?.trim().replace(/^\[(.*)\]$/, '$1');
  if (host !== undefined && (/[/\s]/.test(host) || (host.includes(':') && !isIPv6(host)))) {
    throw new UsageError(
      `--host must be an address or a name alone, such as 0.0.0.0, not "${text}"; the port is --port`,
    );
  }
  return host;
}
