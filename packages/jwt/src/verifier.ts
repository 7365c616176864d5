/** Checks JSON web tokens with jose: signature, issuer, audience and time, by the keys of the policy's source. */
import type { Clock, JwtSource, TokenVerdict, VerifyToken } from '@headgate/core';
import type { CryptoKey, JSONWebKeySet, JWTVerifyOptions } from 'jose';
import { KeySet } from './key-set.js';

export interface JwtVerifierOptions {
  /** Fetches the keys; default: the runtime's own. */
  readonly fetch?: typeof fetch;
}

/**
 * Signatures of key pairs only. `none` is no signature, and one by a shared secret could be made of what everybody may read:
 * the public key. jose takes neither from a set of keys today; written down, it stays so.
 */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Providers whose keys are kept; more than any policy names, over a few reloads. */
const setsMax = 32;
/** Keys of one set that are tried for a token that names none of them. */
const triedMax = 8;

const wrong: TokenVerdict = { valid: false, cause: 'wrong' };

/** What a token is checked with. */
interface Check {
  readonly jose: typeof import('jose');
  readonly token: string;
  readonly options: JWTVerifyOptions;
}

export function jwtVerifier({ fetch = globalThis.fetch }: JwtVerifierOptions = {}): VerifyToken {
  const sets = new Map<string, KeySet>();
  const setOf = (url: string): KeySet => {
    let set = sets.get(url);
    if (set === undefined) {
      const [oldest] = sets.keys();
      if (sets.size >= setsMax) sets.delete(oldest!);
      set = new KeySet(url, fetch);
      sets.set(url, set);
    }
    return set;
  };

  return async (token, source, clock) => {
    // Loaded with the first token: a policy without any does not pay for it.
    const jose = await import('jose');
    const check: Check = { jose, token, options: optionsOf(source, clock) };
    const set = setOf(source.jwks);
    const keys = await set.current(clock);
    if (keys === undefined) return { valid: false, cause: 'unavailable' };
    const verdict = await verdictBy(keys, check);
    if (verdict !== 'no-key') return verdict;
    const newer = await set.newer(clock, keys);
    const second = newer === undefined ? 'no-key' : await verdictBy(newer, check);
    return second === 'no-key' ? wrong : second;
  };
}

function optionsOf({ issuer, audience, id, clockToleranceMs }: JwtSource, clock: Clock): JWTVerifyOptions {
  return {
    algorithms,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    clockTolerance: clockToleranceMs / 1000,
    currentDate: new Date(clock.wall()),
    // One that never expires could never be taken back.
    requiredClaims: ['exp', id],
  };
}

/** `no-key`: none of these is the one that it names. */
async function verdictBy(keys: JSONWebKeySet, { jose, token, options }: Check): Promise<TokenVerdict | 'no-key'> {
  const { errors } = jose;
  try {
    return await verified(jose.createLocalJWKSet(keys), { jose, token, options });
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return 'no-key';
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return causeOf(error, jose);
    let tried = 0;
    for await (const key of error) {
      if (++tried > triedMax) return wrong;
      try {
        return await verified(key, { jose, token, options });
      } catch (failed) {
        if (!(failed instanceof errors.JWSSignatureVerificationFailed)) return causeOf(failed, jose);
      }
    }
    return wrong;
  }
}

type Key = CryptoKey | ReturnType<typeof import('jose').createLocalJWKSet>;

async function verified(key: Key, { jose, token, options }: Check): Promise<TokenVerdict> {
  const { payload } =
    typeof key === 'function' ? await jose.jwtVerify(token, key, options) : await jose.jwtVerify(token, key, options);
  return { valid: true, claims: payload };
}

/** The time is looked at last: what has expired was signed by the right key. */
function causeOf(error: unknown, { errors }: typeof import('jose')): TokenVerdict {
  return error instanceof errors.JWTExpired ? { valid: false, cause: 'expired' } : wrong;
}
