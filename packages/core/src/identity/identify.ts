/** Who sent an HTTP request: the first source of the policy that recognises it. */
import type { Clock } from '../kernel/clock.js';
import type { Later } from '../kernel/later.js';
import type { Identity, Refusal } from '../model.js';
import type { ApiKeySource, HeaderSource, Policy } from '../policy/policy.js';
import { refuse } from '../refusal.js';
import { clientAddress } from './address.js';
import { credentialIn, type HeaderRecord, keyInPath, looksLikeToken, tokenPlaces } from './credentials.js';
import { KeyPrints } from './key-prints.js';
import { NewNames } from './names.js';
import { Sources } from './sources.js';
import type { VerifyToken } from './token.js';

export type { HeaderRecord } from './credentials.js';

export interface Caller {
  readonly headers: HeaderRecord;
  readonly remoteAddress: string;
  /** Decoded path; a key in it (`/k/<key>/...`) is cut out. */
  readonly path: string;
}

export interface Identified {
  readonly identity: Partial<Identity> & { readonly id: string };
  /** Without the key that stood in it. */
  readonly path: string;
}

/** Nobody was recognised. */
export interface Unidentified {
  readonly refusal: Refusal;
  /** For a credential that is wrong: one that is missing, or was right once, is no failure. */
  readonly failed: boolean;
  readonly path: string;
}

export interface IdentifierOptions {
  /** The policy in force, whenever it is asked. */
  readonly policy: () => Policy;
  readonly clock: Clock;
  readonly verifyToken: VerifyToken | undefined;
}

type Who = Identified['identity'];
type Outcome = Who | Omit<Unidentified, 'path'>;

/** A name goes into headers, logs and metrics. */
const nameShape = /^[\x21-\x7e]{1,128}$/;
const retryAfterMs = 5_000;
/** Peers whose address is remembered in its one spelling: a connection brings many requests. */
const peersMax = 1_000;
/** Longer ones are no tokens that anybody makes, and are not worth a signature's check. */
const tokenLengthMax = 8 * 1024;

const wrongKey: Outcome = { failed: true, refusal: refuse('unauthorized', 'this API key is not known here.') };
const wrongToken: Outcome = { failed: true, refusal: refuse('unauthorized', 'this token is not valid here.') };
const expiredToken: Outcome = { failed: false, refusal: refuse('unauthorized', 'this token has expired.') };
const nameless: Outcome = {
  failed: false,
  refusal: refuse('unauthorized', 'this token names nobody that can be known here.'),
};
const uncheckedToken: Outcome = {
  failed: false,
  refusal: refuse('unauthorized', 'the keys to check this token with cannot be had now; please try again in 5s.', {
    status: 503,
    retryAfterMs,
  }),
};
const missing = refuse('unauthorized', 'an API key is required: send it as "Authorization: Bearer <key>".');

export class Identifier {
  readonly #options: IdentifierOptions;
  readonly #prints = new KeyPrints();
  readonly #newNames: NewNames;
  #sources: Sources;

  constructor(options: IdentifierOptions) {
    this.#options = options;
    this.#newNames = new NewNames(options.clock);
    this.#sources = new Sources(options.policy(), this.#prints);
  }

  #current(): Sources {
    const policy = this.#options.policy();
    if (this.#sources.policy !== policy) this.#sources = new Sources(policy, this.#prints);
    return this.#sources;
  }

  /** The client's address, which is known before it is known who asks. */
  address({ remoteAddress, headers }: Pick<Caller, 'remoteAddress' | 'headers'>): string {
    const { address, peers } = this.#current();
    const { trustProxy, ipv6Prefix } = address;
    const forwardedFor = headers['x-forwarded-for'];
    if (trustProxy > 0 && forwardedFor !== undefined) {
      return clientAddress(remoteAddress, forwardedFor, trustProxy, ipv6Prefix);
    }
    let known = peers.get(remoteAddress);
    if (known === undefined) {
      known = clientAddress(remoteAddress, undefined, trustProxy, ipv6Prefix);
      if (peers.size >= peersMax) peers.clear();
      peers.set(remoteAddress, known);
    }
    return known;
  }

  /** At once, unless a token has to be checked. */
  identify(caller: Caller): Later<Identified | Unidentified> {
    const sources = this.#current();
    const address = this.address(caller);
    const inPath = keyInPath(caller.path);
    let { path } = caller;
    for (const source of sources.policy.identity) {
      let outcome: Outcome | undefined;
      if (source.kind === 'address') outcome = withTier({ id: `address:${address}` }, source.tier);
      else if (source.kind === 'header') outcome = byHeader(source, caller, sources);
      else if (source.kind === 'jwt') {
        const checked = this.#byToken(caller, sources);
        if (checked !== undefined) return namedLater(checked, path);
      } else {
        if (inPath !== undefined && source.from.includes('path')) path = inPath.rest;
        const key = credentialIn(source.from, caller.headers, inPath?.key);
        if (key !== undefined) outcome = this.#byKey(source, sources, key, address);
      }
      if (outcome !== undefined) return named(outcome, path);
    }
    return { refusal: missing, failed: false, path };
  }

  #byKey(source: ApiKeySource, sources: Sources, key: string, address: string): Outcome | undefined {
    const print = this.#prints.of(key);
    const declared = sources.declared.get(print.index);
    if (declared !== undefined) return { id: declared.id };
    // Left to the source that knows what to make of it, whichever of the two comes first.
    if (source.unknown === 'ignore' || (sources.tokens.length > 0 && looksLikeToken(key))) return undefined;
    if (source.unknown === 'refuse') return wrongKey;
    // The name of an undeclared key must not be the key: names are in logs and metrics.
    const id = `key:${print.sha256.slice(0, 16)}`;
    if (!this.#newNames.may(source.newNames, id, address)) return undefined;
    return withTier({ id }, source.tier);
  }

  /**
   * By any of the sources of tokens; undefined without a token. Which of them made it is in the token, and only worth something
   * once it is checked.
   */
  #byToken({ headers }: Caller, sources: Sources): Promise<Outcome> | undefined {
    const { verifyToken } = this.#options;
    const token = credentialIn(tokenPlaces, headers, undefined);
    if (token === undefined || !looksLikeToken(token) || verifyToken === undefined) return undefined;
    return this.#checked(token, verifyToken, sources);
  }

  async #checked(token: string, verifyToken: VerifyToken, sources: Sources): Promise<Outcome> {
    if (token.length > tokenLengthMax) return wrongToken;
    const { clock } = this.#options;
    let outcome = wrongToken;
    for (const source of sources.tokens) {
      const verdict = await verifyToken(token, source, clock);
      if (verdict.valid) {
        const name = nameOf(verdict.claims[source.id]);
        if (name === undefined) return nameless;
        const tier = source.tier === undefined ? undefined : sources.tierAmong(verdict.claims[source.tier]);
        return withTier({ id: sources.ownName('jwt', name) }, tier);
      }
      if (verdict.cause === 'expired') outcome = expiredToken;
      else if (verdict.cause === 'unavailable' && outcome === wrongToken) outcome = uncheckedToken;
    }
    return outcome;
  }
}

function named(outcome: Outcome, path: string): Identified | Unidentified {
  if (!('refusal' in outcome)) return { identity: outcome, path };
  const { refusal, failed } = outcome;
  return { refusal, failed, path };
}

async function namedLater(outcome: Promise<Outcome>, path: string): Promise<Identified | Unidentified> {
  return named(await outcome, path);
}

function byHeader(source: HeaderSource, { headers, remoteAddress }: Caller, sources: Sources): Who | undefined {
  const value = headers[source.name];
  // Twice is two users, and nobody knows which of them a reader in between has gone by.
  const name = typeof value === 'string' ? nameOf(value.trim()) : undefined;
  if (name === undefined || !sources.trusts(source, remoteAddress)) return undefined;
  return withTier({ id: sources.ownName('user', name) }, source.tier);
}

function nameOf(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && nameShape.test(text) ? text : undefined;
}

function withTier(who: Who, tier: string | undefined): Who {
  return tier === undefined ? who : { ...who, tier };
}
