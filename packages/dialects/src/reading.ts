/** What every dialect says of a request in the same words. */
import type { Reading, Route } from '@headgate/core';
import type { NamedModel } from './model-field.js';
import type { Prompt } from './prompt.js';

/** A reading that is being filled in: one put together of copies costs more than reading the request. */
export type Draft = { -readonly [Key in keyof Reading]: Reading[Key] };

/** A request for one answer in one piece; its dialect corrects what it finds otherwise. */
export function readingOf(route: Route, named: NamedModel, prompt: Prompt, forward: Reading['forward']): Draft {
  return {
    model: named.model,
    modelCanonical: named.modelCanonical,
    operation: route.operation,
    stream: false,
    texts: prompt.texts,
    messages: prompt.messages,
    images: prompt.images,
    inputTokensKnown: prompt.inputTokensKnown,
    choices: 1,
    toolResults: prompt.toolResults,
    toolResultsNew: prompt.toolResultsNew,
    opening: prompt.opening,
    forward,
  };
}
