/** Where the credential of a request stands. */
import type { KeyPlace, Policy } from '../policy/policy.js';

/** Header values by lower-case name. */
export type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Where JSON web tokens stand. */
export const tokenPlaces: readonly KeyPlace[] = ['authorization', 'x-api-key'];

/** `/k/<key>/api/chat` for clients that cannot send headers. */
export function keyInPath(path: string): { readonly key: string; readonly rest: string } | undefined {
  const match = /^\/k\/([^/]+)(\/.*)?$/s.exec(path);
  return match === null ? undefined : { key: match[1]!, rest: match[2] ?? '/' };
}

/** Whether a key may stand in the path. */
export function keysInPath({ identity }: Policy): boolean {
  return identity.some((source) => source.kind === 'apiKey' && source.from.includes('path'));
}

/** What is left of a path behind what stands where a key would. */
export function withoutKey(path: string): string {
  return keyInPath(path)?.rest ?? path;
}

/** What stands in the first place that holds something. */
export function credentialIn(
  places: readonly KeyPlace[],
  headers: HeaderRecord,
  inPath: string | undefined,
): string | undefined {
  for (const place of places) {
    const key = place === 'path' ? inPath : inHeader(place, headers);
    if (key !== undefined && key !== '') return key;
  }
  return undefined;
}

function inHeader(place: Exclude<KeyPlace, 'path'>, headers: HeaderRecord): string | undefined {
  const name = place.startsWith('header:') ? place.slice('header:'.length).toLowerCase() : place;
  const value = headers[name];
  const text = (typeof value === 'string' ? value : value?.[0])?.trim();
  return place === 'authorization' ? text?.replace(/^bearer(\s+|$)/i, '') : text;
}

/** Three parts, the first of them a JSON object: nothing else is taken for a JSON web token, and no key looks like that by chance. */
export function looksLikeToken(credential: string): boolean {
  return /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(credential);
}
