/** Which addresses callbacks may go to, as far as that can be told from their spelling. */
import { isIP } from 'node:net';
import { type JobRules, type Refusal, refuse } from '@headgate/core';
import { isPublicAddress } from './addresses.js';

/** @returns why the callback would never be sent; undefined for one that may be tried */
export function callbackProblem(url: URL, { callbacks }: JobRules): Refusal | undefined {
  if (callbacks === undefined) {
    return refuse('forbidden', 'callbacks are not sent from here: the policy names no `jobs.callbacks`.');
  }
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const isListed = callbacks.hosts.some(
    (one) => one.secure === secure && one.port === port && isNamed(url.hostname, one.host),
  );
  if (!isListed) {
    return refuse('forbidden', `callbacks to ${url.origin} are not allowed: it is not among \`jobs.callbacks.hosts\`.`);
  }
  const address = literalAddress(url);
  if (address !== undefined && callbacks.private === 'deny' && !isPublicAddress(address)) return privateAddress(url);
  return undefined;
}

export function privateAddress({ hostname }: URL): Refusal {
  const message = `callbacks to ${hostname} are not allowed: its address is of this machine or of a private network.`;
  return refuse('forbidden', message);
}

/** The address itself, where the host is no name. */
export function literalAddress({ hostname }: URL): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return isIP(bare) === 0 ? undefined : bare;
}

/** A dot at the end makes the same name another text, which is not looked for: it is another `Host` to the receiver too. */
function isNamed(hostname: string, host: string): boolean {
  return host.startsWith('*.') ? hostname.endsWith(host.slice(1)) && hostname.length >= host.length : hostname === host;
}
