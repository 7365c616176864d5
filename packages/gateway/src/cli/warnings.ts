/** What is allowed, and most likely not meant. */
import type { Policy } from '@headgate/core';
import { isLoopback } from '../admin/access.js';

export function warningsOf(policy: Policy, host: string = policy.listen.host): string[] {
  const warnings = [
    openToAll(host, policy),
    believesAnyone(host, policy),
    letsPagesIn(policy),
    limitsNothing(policy),
    hasRoomForNone('guard.body', policy.guard.bodyBytesMax),
    hasRoomForNone('jobs.body', policy.jobs.bodyBytesMax),
  ];
  return [...policy.remarks, ...warnings.filter((warning) => warning !== undefined)];
}

/** What to say of a header that is believed of whoever can connect, where that is anyone. */
function believesAnyone(host: string, { identity }: Policy): string | undefined {
  if (host === 'localhost' || isLoopback(host)) return undefined;
  const header = identity.find((source) => source.kind === 'header' && typeof source.trustProxy === 'number');
  if (header?.kind !== 'header') return undefined;
  return `other machines can reach ${host}, and ${header.name} is believed of whoever connects. Name the addresses of the servers that may send it: trustProxy: 10.0.0.5.`;
}

function asksWho({ identity }: Policy): boolean {
  return identity.some((source) => source.kind === 'jwt' || (source.kind === 'apiKey' && source.keys.length > 0));
}

/** What to say of a gateway that other machines reach and whose policy asks nobody who they are. */
function openToAll(host: string, policy: Policy): string | undefined {
  if (host === 'localhost' || isLoopback(host) || asksWho(policy)) return undefined;
  return `other machines can reach ${host}, and this policy declares no API keys: anyone may ask. Declare keys under identity (headgate key makes one), or listen on 127.0.0.1.`;
}

/** What to say of a policy under which a page that somebody happens to visit asks in their name. */
function letsPagesIn(policy: Policy): string | undefined {
  if (!policy.guard.origins.includes('*') || asksWho(policy)) return undefined;
  return 'guard.origins is *, and this policy declares no API keys: any web page may ask, from the browser of whoever visits it. Name the pages that should, such as https://app.example.com.';
}

/** A number without a unit is bytes, and was most likely meant as something larger. */
const bodyBytesMin = 256;

function hasRoomForNone(key: string, bytes: number): string | undefined {
  if (bytes >= bodyBytesMin) return undefined;
  return `${key} is ${bytes} bytes, and hardly a request is as small. With a unit it is more: ${key.replace('.', ': { ')}: ${Math.max(1, bytes)}MiB }.`;
}

/** An empty file is a policy, and lets everything through. */
function limitsNothing({ tiers, limits }: Policy): string | undefined {
  const isBounded = Object.values(tiers).some(
    ({ limits: own, models, inputTokensMax, outputTokensMax, run }) =>
      own.length > 0 || [models, inputTokensMax, outputTokensMax, run].some((bound) => bound !== undefined),
  );
  if (isBounded || limits.length > 0) return undefined;
  return 'this policy sets no limits, so every request passes. Say for example requests: 60/min burst 10.';
}
