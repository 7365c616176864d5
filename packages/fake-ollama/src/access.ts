import { hostname } from 'node:os';
import type { Settings } from './options.js';

const LOCAL_NAMES = /^localhost$|\.(localhost|local|internal)$/;
const ALLOWED_ORIGINS = [
  'http://localhost',
  'https://localhost',
  'http://127.0.0.1',
  'https://127.0.0.1',
  'http://0.0.0.0',
  'https://0.0.0.0',
];
const ALLOWED_SCHEMES = /^(app|file|tauri|vscode-webview|vscode-file):\/\//;

/** Whether Ollama, listening on loopback, accepts this `Host`. */
export function hostAllowed(host: string): boolean {
  const name = host
    .replace(/^\[([^\]]*)\](?::\d+)?$/, '$1')
    .replace(/^([^:]*):\d+$/, '$1')
    .toLowerCase();
  return isLocalAddress(name) || isLocalName(name);
}

/** Whether it is a name, not an address, that Ollama takes for this machine's: to such a one it answers any OPTIONS with 204. */
export function hostIsLocalName(host: string): boolean {
  return isLocalName(host.replace(/:\d+$/, '').toLowerCase());
}

function isLocalName(name: string): boolean {
  return name === '' || LOCAL_NAMES.test(name) || name === hostname().toLowerCase();
}

function isLocalAddress(name: string): boolean {
  if (/^(127|10)\.\d+\.\d+\.\d+$/.test(name) || name === '0.0.0.0' || /^192\.168\.\d+\.\d+$/.test(name)) return true;
  if (/^172\.(1[6-9]|2\d|3[01])\.\d+\.\d+$/.test(name)) return true;
  return name === '::1' || name === '::' || (name.includes(':') && /^f[cd]/.test(name));
}

/** Whether an `Origin` may use the server; one equal to the host is not a cross-origin request at all. */
export function originAllowed(origin: string, host: string, extra: Settings['origins']): boolean {
  if (isSameOrigin(origin, host)) return true;
  if (ALLOWED_SCHEMES.test(origin)) return true;
  if (ALLOWED_ORIGINS.some((allowed) => origin === allowed || isWithPort(origin, allowed))) return true;
  return extra.some((pattern) => matches(origin, pattern));
}

export function isSameOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

function isWithPort(origin: string, allowed: string): boolean {
  return origin.startsWith(`${allowed}:`) && /^\d+$/.test(origin.slice(allowed.length + 1));
}

function matches(origin: string, pattern: string): boolean {
  const [before = '', ...after] = pattern.split('*');
  if (after.length === 0) return origin === pattern;
  const end = after.join('*');
  return origin.length >= before.length + end.length && origin.startsWith(before) && origin.endsWith(end);
}
