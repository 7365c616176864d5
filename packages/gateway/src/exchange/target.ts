/** Where a backend is, taken apart once. */
import type { Backend } from '@headgate/core';

export interface Target {
  readonly origin: string;
  readonly secure: boolean;
  /** For the `Host` header. */
  readonly host: string;
  /** Without the brackets of IPv6. */
  readonly hostname: string;
  readonly port: number;
  /** Before every path; empty, or without a slash at its end. */
  readonly basePath: string;
}

const targets = new WeakMap<Backend, Target>();

export function targetOf(backend: Backend): Target {
  let target = targets.get(backend);
  if (target === undefined) {
    target = parsed(new URL(backend.url));
    targets.set(backend, target);
  }
  return target;
}

function parsed({ origin, protocol, host, hostname, port, pathname }: URL): Target {
  const secure = protocol === 'https:';
  return {
    origin,
    secure,
    host,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 443 : 80) : Number(port),
    basePath: pathname.replace(/\/+$/, ''),
  };
}
