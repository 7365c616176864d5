import type { JsonValue, Route } from '@headgate/core';
import { isObject } from '../fields.js';
import { keepUsable, withoutSignIn } from '../redact.js';

export function redact(
  route: Route,
  body: JsonValue,
  mayUse: (modelCanonical: string) => boolean,
): JsonValue | undefined {
  if (!isObject(body)) return undefined;
  return route.kind === 'models' ? keepUsable(body, 'data', ['id'], mayUse) : withoutSignIn(body);
}
