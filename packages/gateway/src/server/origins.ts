/**
 * Which web pages may ask. A browser lets any page send requests to what listens on its machine, so the page's origin is
 * asked for, and the name that the page asks by: one whose name was pointed here (DNS rebinding) is no other origin to the
 * browser, but asks by that name. The rules are Ollama's, which cannot keep them itself behind a gateway, since what it sees
 * are the gateway's own requests. Who sends no `Origin` and asks by a name of this machine, as programs do, is not concerned.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { matchesPattern, type Policy, type Refusal, refuse } from '@headgate/core';
import { isLoopback } from '../admin/access.js';
import { isBehindProxy } from './http-server.js';
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
      if (!isOwn(origin, host)) {
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
    return this.#mayBeAskedAs(host, policy) ? undefined : foreignHost(host);
  }

  /** Behind a proxy clients ask by the proxy's name, and no browser reaches this machine but through it. */
  #mayBeAskedAs(host: string, policy: Policy): boolean {
    this.#isLocal ??= isLoopback(this.#options.address());
    if (!this.#isLocal || isBehindProxy(policy) || isOfThisMachine(nameIn(host))) return true;
    const { origins } = policy.guard;
    return ['http', 'https'].some((scheme) => isListed(`${scheme}://${host.toLowerCase()}`, origins));
  }
}

/** A page of what is asked: no other origin, as far as its browser is concerned. */
function isOwn(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
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
