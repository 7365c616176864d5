import { canonicalModel } from '../model-name.js';
import { fault, type Read } from './read.js';

/** Longest pattern: more is no name of anything, and every request is compared with it. */
export const patternLengthMax = 256;

export const modelExpected = 'a model or a pattern such as `llama3.1:8b`, `codellama:*` or `*`';

/**
 * A model or pattern in canonical form. A pattern that ends in a default tag or begins with a default registry is refused:
 * canonical names have neither, and taking `:latest` off `*:latest` would leave `*`, which is everything.
 */
export function readModel(input: string): Read<string> {
  const given = input.trim().toLowerCase();
  if (given === '' || given.length > patternLengthMax || /\s/.test(given)) return fault(modelExpected);
  const canonical = canonicalModel(given);
  if (given.includes('*') && canonical !== given) {
    const why = 'models are compared without `:latest`, `library/` and the registry of Ollama';
    return fault(`${modelExpected}; ${why}, so a pattern cannot have them`);
  }
  return canonical === '' ? fault(modelExpected) : { value: canonical };
}
