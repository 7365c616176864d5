/** Hides in listings what a client may not use, and in any answer what is nobody's business. */
import { canonicalModel, type JsonObject, type JsonValue } from '@headgate/core';
import { isObject } from './fields.js';

/** The list under `key` with only the models that may be used, each named by the first of `names` it has. */
export function keepUsable(
  body: JsonObject,
  key: string,
  names: readonly string[],
  mayUse: (modelCanonical: string) => boolean,
): JsonObject {
  const list = body[key];
  if (!Array.isArray(list)) return body;
  const usable = list.filter((entry) => {
    if (!isObject(entry)) return false;
    const name = names.map((field) => entry[field]).find((value) => typeof value === 'string');
    return name !== undefined && mayUse(canonicalModel(name as string));
  });
  return { ...body, [key]: usable };
}

/** When the host is not signed in to its cloud account, Ollama's 401 carries the host's name and public key. */
export function withoutSignIn(body: JsonValue): JsonObject | undefined {
  if (!isObject(body) || !Object.hasOwn(body, 'signin_url')) return undefined;
  const { signin_url: _, ...rest } = body;
  return rest;
}
