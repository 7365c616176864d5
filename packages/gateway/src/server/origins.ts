/**
 * Which web pages may ask. A browser lets any page send requests to what listens on its machine, so the page's origin is
 * asked for, and the name that the page asks by: one whose name was pointed here (DNS rebinding) is no other origin to the
 * browser, but asks by that name. The rules are Ollama's, which cannot keep them itself behind a gateway, since what it sees
 * are the gateway's own requests. Who sends no `Origin` and asks by a name of this machine, as programs do, is not concerned.
 * The name is not asked for where it could not have helped such a page.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { matchesPattern, type Policy, type Refusal, refuse } from '@headgate/core';
import { isAmong, isTrustedProxy, trustedProxies } from '@headgate/core/http';
import { isLoopback } from '../admin/access.js';
import { exposedHeaders, preflightHeaders } from './preflight.js';

/** Ollama's own: pages of this machine, and programs that are made of pages. */
const usual = [
  ...['localhost', '127.0.0.1', '0.0.0.0'].flatMap((name) =>
    ['http', 'https'].flatMap((scheme) => [`${scheme}://${name}`, `${scheme}://${name}:*`]),
  ),
  ...['app', 'file', 'tauri', 'vscode-webview', 'vscode-file'].map((scheme) => `${scheme}://*`),
];

/** As browsers write it, and nothing behind the name in which a `*` could find the end of another. */
const originShape = /^[a-z][a-z\d+.-]*:\/\/(\[[\da-f:.]+\]|[^\s/@?#,:]*)(:\d+)?$/;

export interface OriginsOptions {
  /** The one in force, whenever it is asked. */
  readonly policy: () => Policy;
  /** Where the gateway listens; asked once, by the first request. */
  readonly address: () => string;
}

export class Origins {
  readonly #options: OriginsOptions;
  #isLocal: boolean | undefined;

  constructor(options: OriginsOptions) {
    this.#options = options;
  }

  /**
   * Sets the headers by which a browser lets an allowed page read the answer, whatever it will be.
   * @returns why the request is not served; true where it was a question of the browser's own, which is answered
   */
  judge(request: IncomingMessage, response: ServerResponse): Refusal | true | undefined {
    const { origin = '', host = '' } = request.headers;
    const policy = this.#options.policy();
    if (origin !== '') {
      response.setHeader('vary', 'origin');
      if (!isOwn(origin, host) && !isOwn(origin, passedHost(request, policy))) {
        const { origins } = policy.guard;
        if (!isAllowed(origin, origins)) return foreignOrigin(origin);
        response.setHeader('access-control-allow-origin', origins.includes('*') ? '*' : origin);
        if (request.method === 'OPTIONS') {
          response.writeHead(204, preflightHeaders(request, policy)).end();
          return true;
        }
        response.setHeader('access-control-expose-headers', exposedHeaders);
      }
    }
    return this.#mayBeAskedAs(host, request, policy) ? undefined : foreignHost(host);
  }

  #mayBeAskedAs(host: string, request: IncomingMessage, policy: Policy): boolean {
    this.#isLocal ??= isLoopback(this.#options.address());
    if (!this.#isLocal || isOfThisMachine(nameIn(host))) return true;
    if (isBehindProxies(policy) || needsSecret(request, policy)) return true;
    const { origins } = policy.guard;
    return ['http', 'https'].some((scheme) => isListed(`${scheme}://${host.toLowerCase()}`, origins));
  }
}

/** Clients then ask by the proxy's name, and no browser reaches this machine but through it. */
function isBehindProxies(policy: Policy): boolean {
  return trustedProxies(policy).some((trusted) => typeof trusted === 'number');
}

/**
 * Whether nobody is recognised in this request without a secret, which a page whose name was pointed here does not have. It can
 * name a user in a header, though, as a server on this machine would whose word is believed.
 */
function needsSecret(request: IncomingMessage, { identity }: Policy): boolean {
  return identity.every((source) => {
    if (source.kind === 'address') return false;
    if (source.kind === 'apiKey') return source.unknown !== 'accept';
    if (source.kind === 'jwt' || request.headers[source.name] === undefined) return true;
    return !isAmong(source.trustProxy, request.socket.remoteAddress ?? '');
  });
}

/** By which name a proxy in front was asked; a page cannot say this of itself without a preflight, which its origin fails. */
function passedHost(request: IncomingMessage, policy: Policy): string {
  const name = request.headers['x-forwarded-host'];
  if (typeof name !== 'string' || !isTrustedProxy(policy, request.socket.remoteAddress ?? '')) return '';
  return name.split(',', 1)[0]!.trim();
}

/** A page of what is asked: no other origin, as far as its browser is concerned. */
function isOwn(origin: string, host: string): boolean {
  return host !== '' && (origin === `http://${host}` || origin === `https://${host}`);
}

function isAllowed(origin: string, further: readonly string[]): boolean {
  return isListed(origin, usual) || isListed(origin, further);
}

function isListed(origin: string, patterns: readonly string[]): boolean {
  if (patterns.includes('*')) return true;
  return originShape.test(origin) && patterns.some((pattern) => matchesPattern(pattern, origin));
}

function foreignOrigin(origin: string): Refusal {
  const whose = origin === 'null' ? 'pages without an origin of their own' : `pages of ${shown(origin)}`;
  return refuse('forbidden', `${whose} may not ask here; \`guard.origins\` in the policy lists those that may.`);
}

function foreignHost(host: string): Refusal {
  const message = `${shown(host)} is no name of this machine; \`guard.origins\` in the policy lists further ones, such as https://${shown(host)}.`;
  return refuse('forbidden', message);
}

function shown(text: string): string {
  return text.slice(0, 200);
}

/** Without its port and brackets. */
function nameIn(host: string): string {
  return host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

/** Names that no name server outside can point here, and addresses, which nobody can point anywhere. */
function isOfThisMachine(name: string): boolean {
  if (name === '' || name === 'localhost' || /\.(localhost|local|internal)$/.test(name)) return true;
  return isNearAddress(name) || name === hostname().toLowerCase() || isOwnAddress(name);
}

/** Loopback, of a private network, or every address at once. */
function isNearAddress(name: string): boolean {
  if (isLoopback(name) || name === '0.0.0.0' || name === '::') return true;
  if (name.includes(':')) return /^f[cd][0-9a-f]{2}:/.test(name);
  return /^(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+$/.test(name);
}

function isOwnAddress(name: string): boolean {
  if (!/^[\d.]+$|:/.test(name)) return false;
  return Object.values(networkInterfaces()).some((own) => own?.some(({ address }) => address === name));
}
