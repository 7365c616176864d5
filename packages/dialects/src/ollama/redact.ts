import type { JsonObject, JsonValue, Route } from '@headgate/core';
import { isObject } from '../fields.js';
import { keepUsable, withoutSignIn } from '../redact.js';

/** What `/api/show` tells about a model that is its maker's or its host's business. */
const hidden = new Set(['system', 'template', 'modelfile', 'license', 'messages', 'tensors']);

export function redact(
  route: Route,
  body: JsonValue,
  mayUse: (modelCanonical: string) => boolean,
): JsonValue | undefined {
  if (!isObject(body)) return undefined;
  if (route.kind === 'tags' || route.kind === 'ps') return keepUsable(body, 'models', ['model', 'name'], mayUse);
  if (route.kind === 'show') return shown(body);
  return withoutSignIn(body);
}

function shown(body: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const [key, value] of Object.entries(body)) {
    if (hidden.has(key) || key === 'signin_url') continue;
    // Own property, whatever the key is called.
    Object.defineProperty(kept, key, { value, enumerable: true, configurable: true, writable: true });
  }
  if (typeof kept.parameters === 'string') kept.parameters = withoutSystem(kept.parameters);
  return kept;
}

/** `parameters` is text, one `name value` a line, the value quoted and on several lines where it must be. */
function withoutSystem(parameters: string): string {
  return parameters.replace(/^system[ \t]+(?:"""[\s\S]*?(?:"""|$(?![\s\S]))|"(?:[^"\\]|\\.)*(?:"|$)|.*)\n?/gim, '');
}
