/**
 * The client's address, in one spelling. An address is only as good as the proxies that report it: entries of
 * X-Forwarded-For count from the right, one for each trusted proxy, because everything further left is the client's own word.
 */
import { ipv4Text, maskOf, readIp } from '../kernel/ip.js';

/**
 * @param remote address of the peer, as the socket has it
 * @param forwardedFor the X-Forwarded-For header, all its lines
 * @param trustProxy proxies in front whose entries are believed; 0 ignores the header
 * @param ipv6Prefix bits of an IPv6 address that name a client; hosts change the rest at will
 */
export function clientAddress(
  remote: string,
  forwardedFor: string | readonly string[] | undefined,
  trustProxy: number,
  ipv6Prefix: number,
): string {
  const peer = canonicalAddress(remote, ipv6Prefix) ?? 'unknown';
  if (trustProxy === 0 || forwardedFor === undefined) return peer;
  const text = typeof forwardedFor === 'string' ? forwardedFor : forwardedFor.join(',');
  const hops = text.split(',').map((hop) => hop.trim());
  // A chain shorter than the trusted proxies has its oldest entry from one of them.
  const hop = hops[Math.max(0, hops.length - trustProxy)];
  return (hop === undefined ? undefined : canonicalAddress(hop, ipv6Prefix)) ?? peer;
}

/** One spelling for one client: no port, no zone, IPv4-mapped as IPv4, IPv6 cut to its prefix. Undefined when it is no address. */
export function canonicalAddress(text: string, ipv6Prefix: number): string | undefined {
  const groups = readIp(withoutPort(text.trim()));
  if (groups === undefined) return undefined;
  const v4 = ipv4Text(groups);
  if (v4 !== undefined) return v4;
  const kept = groups.map((group, index) => group & maskOf(ipv6Prefix - index * 16));
  const end = Math.ceil(ipv6Prefix / 16);
  const shown = kept
    .slice(0, Math.max(1, end))
    .map((group) => group.toString(16))
    .join(':');
  return ipv6Prefix >= 128 ? shown : `${shown}::/${ipv6Prefix}`;
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text);
  if (bracketed !== null) return bracketed[1]!;
  const withPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text);
  return withPort === null ? text : withPort[1]!;
}
