/** `match`: which requests a limit is about, and the patterns it and the lists of models are made of. */
import { z } from 'zod';
import { type Match, operations, priorities } from '../../model.js';
import { modelExpected, patternLengthMax, readModel } from '../model-pattern.js';
import { compact, fault, type Read } from '../read.js';
import { nearest, oneOf } from '../spelling.js';
import { oneOrMore, section, text } from './leaf.js';

export const model = text(readModel, modelExpected);
export const models = oneOrMore(model, 'a list of models or patterns such as `[llama3.1:8b, "codellama:*"]`');

function reader(example: string, read: (given: string) => string | undefined, words?: readonly string[]) {
  const expected = `${example}, a \`*\` pattern, or a list of these`;
  const item = text((input): Read<string> => {
    const given = input.trim();
    const value = given === '' || given.length > patternLengthMax ? undefined : read(given);
    return value === undefined ? fault(expected, words && nearest(given, words)) : { value };
  }, expected);
  return oneOrMore(item, expected).optional();
}

const wordOr = (words: readonly string[]) => (given: string) =>
  words.includes(given) || given.includes('*') ? given : undefined;

const anyText = (given: string) => given;

export const matchSchema: z.ZodType<Match> = section(
  {
    operation: reader(oneOf(operations), wordOr(operations), operations).describe('What is asked, in any dialect'),
    model: oneOrMore(model, 'a model, a `*` pattern, or a list of these')
      .optional()
      .describe('Compared in canonical form'),
    tier: reader('a tier such as `free`', anyText),
    identity: reader('the id of an identity such as `batch`', anyText),
    path: reader('a path such as `/api/chat`', (given) => (/^[/*]/.test(given) ? given : undefined)),
    method: reader('a method such as `POST`', (given) =>
      /^[A-Za-z*]+$/.test(given) ? given.toUpperCase() : undefined,
    ),
    priority: reader(oneOf(priorities), wordOr(priorities), priorities),
    get not(): z.ZodOptional<z.ZodType<Match>> {
      return z.lazy(() => matchSchema).optional();
    },
  },
  'a mapping such as `{ operation: generate }`',
)
  .transform((match): Match => compact(match))
  .refine((match) => Object.keys(match).length > 0, {
    error: () => 'at least one of operation, model, tier, identity, path, method, priority and not',
  })
  .meta({ id: 'Match', description: 'Which requests a limit is about; all given keys must match' });
