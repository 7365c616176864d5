/** Who may read the operators' pages. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export type Access = 'allowed' | 'key-needed' | 'key-wrong' | 'denied';

/** A proxy in front makes every client look local; each of these says that there is one. */
const forwardingHeaders = ['forwarded', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'];

/**
 * Who brings the admin key, or without one a peer on this machine that asks for this machine by a name of its own: a
 * web page whose host name was pointed here (DNS rebinding) asks by that name.
 */
export function mayAdminister(request: IncomingMessage, adminKey: string | undefined): Access {
  if (isLocal(request)) return 'allowed';
  if (adminKey === undefined) return 'denied';
  if (bearsKey(request, adminKey)) return 'allowed';
  return bringsKey(request.headers.authorization) ? 'key-wrong' : 'key-needed';
}

/** Whether the request comes with the admin key, wherever it comes from. */
export function bearsKey({ headers }: IncomingMessage, adminKey: string | undefined): boolean {
  return adminKey !== undefined && sameSecret(keyIn(headers.authorization ?? ''), adminKey);
}

/** Whether there is any key in this header that could be the admin's: a first visit does not, and is no guess. */
export function bringsKey(authorization: unknown): boolean {
  return typeof authorization === 'string' && /^(?!bearer\s*$)./i.test(authorization);
}

/** As a bearer's, or as the password that a browser was given for any name. */
function keyIn(authorization: string): string {
  const [, scheme = '', credential = ''] = /^(bearer|basic)\s+(.*)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return credential;
  const named = Buffer.from(credential, 'base64').toString();
  return named.includes(':') ? named.slice(named.indexOf(':') + 1) : '';
}

/** Compares digests, which are equally long, in constant time. */
function sameSecret(given: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

function isLocal(request: IncomingMessage): boolean {
  const { headers, socket } = request;
  const names = Object.keys(headers);
  if (names.some((name) => name.startsWith('x-forwarded') || forwardingHeaders.includes(name))) return false;
  return isLoopback(socket.remoteAddress ?? '') && isLocalName(headers.host ?? '');
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}

function isLocalName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name.replace(/^\[|\]$/g, ''));
}
