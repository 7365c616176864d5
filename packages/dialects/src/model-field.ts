/** The `model` of a body: present, spelt so that every reader sees the same name, and not one that spends the host's account. */
import { canonicalModel, type GuardRules, isCloudModel, type Refusal } from '@headgate/core';
import type { Fields } from './fields.js';

export interface NamedModel {
  readonly model: string;
  readonly modelCanonical: string;
}

const nameLengthMax = 512;
/** Readers differ in what they trim and fold beyond ASCII, and no registry has such names. */
const plainName = /^[ \t\r\n]*[\x21-\x7e]+(?: +[\x21-\x7e]+)*[ \t\r\n]*$/;

export const noModel: NamedModel = { model: '', modelCanonical: '' };

/**
 * @param missing what to answer when the body names no model
 * @param keys where the name stands; the first that holds one counts
 */
export function readModel(
  fields: Fields,
  guard: GuardRules,
  missing: Refusal,
  keys: readonly string[] = ['model'],
): NamedModel {
  const names = keys.map((key) => fields.string(key));
  const model = names.find((name) => name !== undefined && name !== '');
  if (model === undefined) {
    fields.problems.refuse(missing);
    return noModel;
  }
  if (model.length > nameLengthMax || !plainName.test(model)) {
    fields.problems.bad('invalid model name');
    return noModel;
  }
  if (guard.cloud === 'deny' && isCloudModel(model)) fields.problems.refuse(cloudDenied(model));
  return { model, modelCanonical: canonicalModel(model) };
}

function cloudDenied(model: string): Refusal {
  const message = `model '${model.trim()}' is not allowed here: it runs on a cloud account, not on this server`;
  return { reason: 'forbidden', status: 403, message };
}

export const modelRequired: Refusal = { reason: 'bad-request', status: 400, message: 'model is required' };
