/**
 * Sends one callback. The host is looked up once, every address that it has must be public, and the connection goes to an
 * address that was looked at: a name that answers otherwise the second time (DNS rebinding) is not asked a second time.
 * Redirects are answers like any other, and not followed.
 */
import { lookup } from 'node:dns/promises';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isPublicAddress } from './addresses.js';
import { literalAddress } from './hosts.js';

export interface CallbackRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Longest time for all of it, ms. */
  readonly timeoutMs: number;
  readonly allowPrivate: boolean;
  /** The addresses of a name; the system's own unless given. */
  readonly resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined;
}

/** The receiver is not one that may be told, now or later. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
}

async function systemAddresses(hostname: string): Promise<readonly string[]> {
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}

/**
 * Resolves with the status of the answer, whose body is not read.
 * @throws ForbiddenAddressError before anything is sent
 * @throws what keeps the callback from arriving, or its answer from coming in time
 */
export async function sendCallback(callback: CallbackRequest): Promise<number> {
  const signal = AbortSignal.timeout(callback.timeoutMs);
  const addresses = await Promise.race([addressesOf(callback), whenAborted(signal)]);
  return post(callback, addresses[0]!, signal);
}

async function addressesOf({
  url,
  allowPrivate,
  resolve = systemAddresses,
}: CallbackRequest): Promise<readonly string[]> {
  const literal = literalAddress(url);
  const addresses = literal === undefined ? await resolve(url.hostname) : [literal];
  if (addresses.length === 0) throw new Error('the host has no address');
  if (!allowPrivate && !addresses.every(isPublicAddress)) {
    throw new ForbiddenAddressError('the host has an address of this machine or of a private network');
  }
  return addresses;
}

function post({ url, headers, body }: CallbackRequest, address: string, signal: AbortSignal): Promise<number> {
  const secure = url.protocol === 'https:';
  const options = {
    host: address,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method: 'POST',
    headers: { ...headers, host: url.host, 'content-length': Buffer.byteLength(body), connection: 'close' },
    agent: false as const,
    signal,
    maxHeaderSize: 16 * 1024,
  };
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage): void => {
      answer.on('error', () => {});
      answer.destroy();
      resolve(answer.statusCode ?? 0);
    };
    // The certificate is of the name, whatever address it was found at; one of an address has no name to send.
    const name = literalAddress(url) === undefined ? { servername: url.hostname } : {};
    const request: ClientRequest = secure
      ? httpsRequest({ ...options, ...name }, onAnswer)
      : httpRequest(options, onAnswer);
    request.on('error', reject);
    request.end(body);
  });
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
