/** `OLLAMA_HOST` as Ollama's own programs read it. */
import { isIPv6 } from 'node:net';
import { UsageError } from '../cli/usage.js';
import { ollamaUrl } from '../server/gateway.js';

const ownPort = '11434';
/** Without a scheme the port is Ollama's own; with one it is the scheme's. */
const portOfScheme: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * The address to reach Ollama at; its default where the variable is not set. A scheme, a port and a path may be missing, as
 * may the brackets of an IPv6 address; a port that is none is the default one, as in Ollama. An address to listen on
 * everywhere is reached on this machine.
 * @throws UsageError for what no server can be reached at
 */
export function ollamaHostUrl(given: string | undefined): string {
  const text = (given ?? '')
    .trim()
    .replace(/^["']+|["']+$/g, '')
    .trim();
  if (text === '') return ollamaUrl;
  if (text === 'ollama.com') return 'https://ollama.com';
  const [, scheme = 'http', rest = ''] = /^(?:([^/]*?):\/\/)?(.*)$/s.exec(text)!;
  const [, authority = '', path = ''] = /^([^/]*)(.*)$/s.exec(rest)!;
  const { name, port } = nameAndPort(authority);
  const defaultPort = text.includes('://') ? portOfScheme[scheme.toLowerCase()] : ownPort;
  const url = `${scheme}://${reachable(name)}:${isPort(port) ? port : defaultPort}${path}`;
  if (defaultPort === undefined || !URL.canParse(url) || !isPlain(new URL(url))) {
    const expected = 'an address such as 127.0.0.1:11434, gpu.local or https://ollama.example';
    throw new UsageError(`OLLAMA_HOST must be ${expected}, not "${given}"`);
  }
  return new URL(url).href.replace(/\/+$/, '');
}

function nameAndPort(authority: string): { readonly name: string; readonly port: string } {
  if (isIPv6(authority)) return { name: `[${authority}]`, port: '' };
  const [, name = authority, port = ''] = /^(\[[^\]]*\]|[^:@]*)(?::([^:@]*))?$/s.exec(authority) ?? [];
  return { name, port };
}

function reachable(name: string): string {
  if (name === '' || name === '0.0.0.0') return '127.0.0.1';
  return name === '[::]' ? '[::1]' : name;
}

function isPort(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= 65_535;
}

function isPlain({ username, password, search, hash }: URL): boolean {
  return username + password + search + hash === '';
}
