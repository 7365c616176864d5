/** What a report may show of a policy: never a key, a secret or a password, also when it slipped into the wrong place. */
import { at, mappingWords, mask } from './problem.js';
import { Unreadable } from './snapshot.js';
import { type Path, pathText } from './spelling.js';

/** Settings of a declared key that are worth showing and say nothing of the key. */
const openKeySettings: readonly unknown[] = ['tier', 'weight', 'priority'];
const openSourceSettings: readonly unknown[] = ['from', 'unknown', 'newNames', 'tier'];

/** Words of the language where keys and secrets stand; anything else there may be one that slipped a level. */
const identityWords: readonly unknown[] = [
  ...['apiKey', 'jwt', 'header', 'address', 'from', 'unknown', 'newNames', 'keys', 'tier', 'id', 'weight', 'priority'],
  ...['jwks', 'issuer', 'audience', 'clockTolerance', 'name', 'trustProxy', 'ipv6Prefix'],
];
/** By section; a map, since a section may have any name, `constructor` too. */
const wordsWithSecrets: ReadonlyMap<string | number, readonly unknown[]> = new Map(
  Object.entries({
    identity: identityWords,
    admin: ['key'],
    alerts: ['webhook', 'secret', 'on'],
    jobs: [
      ...['depth', 'perIdentity', 'body', 'result', 'wait', 'keep', 'tries', 'lease'],
      ...['callbacks', 'hosts', 'secret', 'private'],
    ],
  }),
);

const variable = /^\$\{\w+\}$/;
const secretName = /(key|secret|password|credential)s?$/i;

function isSecret(path: Path, value: unknown): boolean {
  const [section, second, part, setting] = path;
  if (section === 'admin') return path.length > 1;
  if (section === 'alerts') return part !== undefined && part !== 'on' && part !== 'webhook';
  if (section === 'jobs') return second === 'callbacks' && part !== 'hosts' && part !== 'private';
  if (section === 'backends') return part === 'headers' && path.length > 3;
  if (section !== 'identity') return false;
  if (path.length < 4) return typeof value === 'string' && !identityWords.includes(value);
  if (part !== 'apiKey') return false;
  if (setting === 'keys') return !(path.length === 6 && openKeySettings.includes(path[5]));
  return !openSourceSettings.includes(setting);
}

/** The value for a report. Mappings, and lists that may hold secrets further down, are reported by their size only. */
export function maskedValue(path: Path, value: unknown, known: boolean): unknown {
  if (value === undefined || value === null) return value;
  if (typeof value === 'string' && variable.test(value)) return value;
  const secret = isSecret(path, value) || (!known && secretName.test(String(path.at(-1))));
  if (typeof value !== 'object') return secret ? mask : typeof value === 'string' ? withoutPassword(value) : value;
  if (value instanceof Unreadable) return value.got;
  if (!Array.isArray(value)) return mappingWords(value);
  const open = !secret && path[0] !== 'identity' && value.every((item) => typeof item !== 'object' || item === null);
  return open ? value.map((item) => maskedValue(path, item, known)) : `a list of ${value.length}`;
}

/** `redis://user:secret@host` and its like without what comes before the `@`, and addresses without their query. */
function withoutPassword(text: string): string {
  const safe = text.replace(/^(\w+:\/\/)?\S*@/, (_, scheme: string | undefined) => `${scheme ?? ''}${mask}@`);
  return safe.includes('://') ? safe.replace(/\?.*$/, `?${mask}`) : safe;
}

/**
 * The path as text. Where secrets stand, a word that could be one is shown by its place only, unless it is a reference to the environment.
 * @param misspelt whether the last word comes near one of the language, and so is no key
 */
export function maskedPath(path: Path, input: unknown, misspelt: boolean): string {
  const [section = ''] = path;
  const words = wordsWithSecrets.get(section);
  if (words === undefined) return pathText(path);
  let text = String(section);
  path.forEach((segment, i) => {
    if (i === 0) return;
    const declared = path[i - 1] === 'keys' && typeof segment === 'string';
    const open = typeof segment === 'number' || variable.test(segment) || (!declared && words.includes(segment));
    const word =
      open || (misspelt && !declared && i === path.length - 1) ? pathText([segment]) : placeOf(path, i, input);
    text += word.startsWith('[') ? word : `.${word}`;
  });
  return text;
}

function placeOf(path: Path, depth: number, input: unknown): string {
  const siblings = at(input, path.slice(0, depth));
  const keys = typeof siblings === 'object' && siblings !== null ? Object.keys(siblings) : [];
  return `[key ${keys.indexOf(String(path[depth])) + 1}]`;
}
