/** Asking Ollama for the prompt instead of an answer. */
import type { GuardRules } from '@headgate/core';
import type { Fields } from './fields.js';

/** Under this name, which no documentation has. Versions differ in the APIs where they read it, so it is read in all of them. */
export const renderOnly = '_debug_render_only';

/**
 * What would come back is the prompt as the model sees it, with the system prompt and the template that its owner gave it:
 * the business of whoever manages the models.
 * @returns whether it is asked for
 */
export function readRenderOnly(fields: Fields, { admin }: GuardRules): boolean {
  const isAsked = fields.boolean(renderOnly) === true;
  if (isAsked && admin !== 'allow') {
    const message = `${renderOnly} is not allowed here: it shows the system prompt and the template of the model.`;
    fields.problems.refuse({ reason: 'forbidden', status: 403, message });
  }
  return isAsked;
}
