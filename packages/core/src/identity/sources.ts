/** What one policy says of who asks, made ready to be looked up. */
import { isWithin, type Network, readIp, readNetwork } from '../kernel/ip.js';
import { sha256Hex } from '../kernel/sha256.js';
import type { AddressSource, DeclaredKey, HeaderSource, JwtSource, Policy } from '../policy/policy.js';
import type { KeyPrints } from './key-prints.js';

/** Names that are made here, from an address, an undeclared key or a user. */
const made = /^(?:address|key|jwt|user):/;

export class Sources {
  readonly policy: Policy;
  readonly address: AddressSource;
  readonly tokens: readonly JwtSource[];
  /** By what keys are looked up by. */
  readonly declared: ReadonlyMap<string, DeclaredKey>;
  /** What was made of the addresses of peers. */
  readonly peers = new Map<string, string>();
  readonly #ids: ReadonlySet<string>;
  readonly #networks = new Map<HeaderSource, readonly Network[]>();

  constructor(policy: Policy, prints: KeyPrints) {
    this.policy = policy;
    const { identity, client } = policy;
    const { trustProxy } = client;
    this.address = identity.find((source) => source.kind === 'address') ?? {
      kind: 'address',
      trustProxy,
      ipv6Prefix: 64,
    };
    this.tokens = identity.filter((source) => source.kind === 'jwt');
    const keys = identity.flatMap((source) => (source.kind === 'apiKey' ? source.keys : []));
    this.#ids = new Set(keys.map(({ id }) => id));
    this.declared = byIndex(keys, prints);
    for (const source of identity) {
      if (source.kind !== 'header' || typeof source.trustProxy === 'number') continue;
      this.#networks.set(source, networksOf(source.trustProxy));
    }
  }

  /** Whether what this peer says in the header is believed. */
  trusts(source: HeaderSource, remoteAddress: string): boolean {
    const networks = this.#networks.get(source);
    if (networks === undefined) return true;
    const groups = readIp(remoteAddress);
    return groups !== undefined && networks.some((network) => isWithin(groups, network));
  }

  /** A name that comes from outside, in a form that is nobody else's: it must not become a declared key's, or an address's. */
  ownName(kind: 'jwt' | 'user', name: string): string {
    return this.#ids.has(name) || made.test(name) ? `${kind}:${name}` : name;
  }

  /** The first of these that is a tier of the policy. */
  tierAmong(names: unknown): string | undefined {
    const list: readonly unknown[] = Array.isArray(names) ? names : [names];
    const { tiers } = this.policy;
    return list.find((name) => typeof name === 'string' && Object.hasOwn(tiers, name)) as string | undefined;
  }
}

/** Of this machine, of private networks, and of those that providers keep to themselves (RFC 6598). */
const nearNetworks = networksOf([
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'],
  ...['::1', 'fc00::/7', 'fe80::/10'],
]);

/**
 * Whether this peer is a proxy in front that the policy trusts, so that many clients come through it. A client from elsewhere that
 * reaches the listener by itself is none.
 */
export function isTrustedProxy(policy: Pick<Policy, 'identity' | 'client'>, remoteAddress: string): boolean {
  return trustedProxies(policy).some((trusted) => isAmong(trusted, remoteAddress));
}

/** Their addresses or networks, or how many there are in front. */
export type TrustedProxies = number | readonly string[];

/** Whom the policy trusts to stand in front, wherever it says so. */
export function trustedProxies({ identity, client }: Pick<Policy, 'identity' | 'client'>): TrustedProxies[] {
  const said = identity.map((source) => ('trustProxy' in source ? source.trustProxy : 0));
  return [client.trustProxy, ...said].filter((trusted) => trusted !== 0);
}

/** Whether the peer is one of these. Where it is only known how many there are, it is one that is near. */
export function isAmong(trusted: TrustedProxies, remoteAddress: string): boolean {
  const groups = readIp(remoteAddress);
  const networks = typeof trusted === 'number' ? nearNetworks : networksOf(trusted);
  return groups !== undefined && networks.some((network) => isWithin(groups, network));
}

function networksOf(texts: readonly string[]): Network[] {
  return texts.map(readNetwork).filter((network) => network !== undefined);
}

function byIndex(keys: readonly DeclaredKey[], prints: KeyPrints): ReadonlyMap<string, DeclaredKey> {
  return new Map(keys.map((key) => [prints.index(key.sha256 ?? sha256Hex(key.plain ?? '')), key]));
}
