/**
 * What a native request may set on the backend for everyone. A model is reloaded when certain options differ from what is
 * loaded, and two clients that differ make it reload for every request; `keep_alive` decides who stays in memory.
 */
import type { GuardRules, JsonObject, JsonValue } from '@headgate/core';
import { capNames } from '../caps.js';
import { parseGoDuration } from '../duration.js';
import { copyOf, type Fields } from '../fields.js';
import { fieldNames } from '../keys.js';

/** Options that reload the model when they differ; the second line is of versions before 0.6. */
const reloadOptions = [
  ...['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'use_mmap', 'num_thread', 'draft_num_predict'],
  ...['numa', 'low_vram', 'f16_kv', 'vocab_only', 'use_mlock'],
];
const reloads = fieldNames(...reloadOptions);
export const optionNames = fieldNames(capNames, ...reloadOptions, 'num_keep', 'seed', 'temperature', 'stop');

/** Ollama takes `shift` beside the options, not among them. */
const besideOptions = 'shift';

/** The options to forward: the client's, without those that reload, with those that the operator pinned. */
export function guardedOptions(options: JsonObject | undefined, guard: GuardRules): JsonObject {
  const kept = options === undefined ? {} : copyOf(options, reloads);
  for (const [name, value] of Object.entries(guard.options)) if (name !== besideOptions) kept[name] = value;
  return kept;
}

/** Writes `shift` as the operator pinned it, or takes it out. */
export function guardShift(body: JsonObject, guard: GuardRules): void {
  const pinned = guard.options[besideOptions];
  if (pinned === undefined) delete body[besideOptions];
  else body[besideOptions] = pinned;
}

export interface KeepAlive {
  /** The body names a time that unloads the model, or keeps it for ever. */
  readonly admin: boolean;
  /** What to forward; undefined leaves the backend's own. */
  readonly value: JsonValue | undefined;
}

/** Below this a model is as good as unloaded when the request ends. */
const keptMsMin = 1_000;

export function readKeepAlive(fields: Fields, guard: GuardRules): KeepAlive {
  const value = fields.value('keep_alive');
  if (value === undefined) return { admin: false, value: undefined };
  const ms = typeof value === 'number' ? value * 1_000 : typeof value === 'string' ? parseGoDuration(value) : undefined;
  if (ms === undefined) {
    if (typeof value === 'string') fields.problems.bad(`time: invalid duration ${JSON.stringify(value.slice(0, 64))}`);
    else fields.wrong('keep_alive', 'string or number', value);
    return { admin: false, value: undefined };
  }
  if (ms < keptMsMin) return { admin: true, value };
  if (ms <= guard.keepAliveMsMax) return { admin: false, value };
  const seconds = Math.floor(guard.keepAliveMsMax / 1_000);
  return { admin: false, value: seconds > 0 ? `${seconds}s` : undefined };
}
