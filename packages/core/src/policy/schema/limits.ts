/** Limits: the amounts a tier key may hold, and the entries of `limits`. */
import { z } from 'zod';
import { type Limit, type Measure, type Mode, scopes } from '../../model.js';
import {
  type Amount,
  type AmountParts,
  composeAmount,
  exampleOf,
  readAmount,
  readSlots,
  type WindowMeasure,
} from '../amount.js';
import { compact, fault, isFault, type Read } from '../read.js';
import { nearest } from '../spelling.js';
import { countOrZero, duration, section, share, text, word, written } from './leaf.js';
import { matchSchema } from './patterns.js';

/** One limit as written: its amount in numbers, and what was said beside it. */
export interface Rule {
  readonly amount: Amount;
  readonly options: RuleOptions;
  /** Its place, when it stands in a list. */
  readonly index?: number;
}

export interface RuleOptions {
  readonly name?: string;
  readonly mode?: Mode;
  readonly alertAt?: number;
  readonly queue?: boolean;
  readonly delay?: boolean | { readonly after: number };
}

/** Letters that are safe in a header, a metric's label and a log line without quoting. */
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._:/@*+-]{0,79}$/;

const name = text(
  (input): Read<string> =>
    nameShape.test(input)
      ? { value: input }
      : fault('a name of letters, digits and `._:/@*+-`, at most 80, such as `big-model`'),
  'a name such as `big-model`',
);

const delay = z
  .union([z.boolean(), section({ after: countOrZero.describe('How many pass at once') })], {
    error: () => '`true`, or `{ after: 2 }` for two that pass at once',
  })
  .describe('Excess requests wait for their turn instead of being refused');

/** What may be said of a limit besides its amount; in `limits` beside the measure, in a tier within the object form. */
export const ruleOptions = {
  name: name.optional().describe('What clients, logs and metrics see; unique'),
  mode: word(['enforce', 'shadow']).optional().describe('shadow: decided, counted and reported, never enforced'),
  alertAt: share.optional().describe('Share of the amount at which an alert is raised once per window'),
  queue: z.boolean().optional().describe('concurrency only: whether a request that finds no slot waits'),
  delay: delay.optional(),
};

const algorithms = ['token-bucket', 'rolling', 'calendar'] as const;

function parts(measure: WindowMeasure) {
  const expected = `an amount such as ${exampleOf(measure)}`;
  return {
    limit: written((input): Read<string | number> => ({ value: input }), expected).describe('How much, per period'),
    per: z.string({ error: () => 'a period such as `min`, `hour`, `day` or `90s`' }).describe('The period'),
    burst: written((input): Read<string | number> => ({ value: input }), 'a number such as `10`')
      .optional()
      .describe('How many may come at once'),
    algorithm: word(algorithms).optional(),
  };
}

const slotParts = {
  limit: written(readSlots, 'how many at once, such as `5`').describe('How many at once'),
};

/** The object form into a rule. */
function compose(
  input: AmountParts & Partial<RuleOptions>,
  context: z.core.$RefinementCtx,
  measure: WindowMeasure,
): Rule {
  const { limit, per, burst, algorithm, ...options } = input;
  const amount = composeAmount({ limit, per, burst, algorithm }, measure);
  if (isFault(amount)) {
    const path = amount.part === undefined ? [] : [amount.part];
    context.issues.push({ code: 'custom', message: amount.expected, params: { nearest: amount.nearest }, input, path });
    return z.NEVER;
  }
  return { amount: amount.value, options: compact(options) };
}

const plainRule = (read: Read<Amount>): Read<Rule> =>
  isFault(read) ? read : { value: { amount: read.value, options: {} } };

const expectedAmount = (measure: Measure): string =>
  measure === 'concurrency'
    ? 'how many at once, such as `5`'
    : `an amount and a period, such as ${exampleOf(measure)}, or \`{ limit: 60, per: min }\``;

function ruleSchema<O extends z.ZodRawShape>(measure: Measure, options: O) {
  const expected = expectedAmount(measure);
  if (measure === 'concurrency') {
    const object = section({ ...slotParts, ...options }, expected).transform((input): Rule => {
      const { limit, ...rest } = input as { limit: Amount } & RuleOptions;
      return { amount: limit, options: compact(rest) };
    });
    return z.union([written((input) => plainRule(readSlots(input)), expected), object], { error: () => expected });
  }
  const object = section({ ...parts(measure), ...options }, expected).transform((input, context) =>
    compose(input as AmountParts & Partial<RuleOptions>, context, measure),
  );
  return z.union([written((input) => plainRule(readAmount(input, measure)), expected), object], {
    error: () => expected,
  });
}

/** In a tier: one amount or a list, with the options in the object form. */
export function tierRules(measure: Measure, description: string) {
  const one = ruleSchema(measure, ruleOptions);
  return z
    .union([one, z.array(one)], { error: () => `${expectedAmount(measure)}, or a list of these` })
    .transform((input): readonly Rule[] =>
      Array.isArray(input) ? input.map((rule: Rule, index) => ({ ...rule, index })) : [input as Rule],
    )
    .optional()
    .describe(description);
}

const scopeExpected = 'whose counter it is: `identity`, `address`, `model`, `tier`, `run`, `all`, or a list of these';

const scope = text((input): Read<Limit['per'][number]> => {
  const known = scopes.find((candidate) => candidate === input);
  return known === undefined ? fault(scopeExpected, nearest(input, scopes)) : { value: known };
}, scopeExpected);

const per = z
  .union([scope, z.array(scope)], { error: () => scopeExpected })
  .transform((input, context): Limit['per'] => {
    const list = Array.isArray(input) ? input : [input];
    const wrong =
      list.length === 0 || new Set(list).size < list.length
        ? `${scopeExpected}, each once`
        : list.length > 1 && list.includes('all')
          ? '`all` alone, or a list without it'
          : undefined;
    if (wrong !== undefined) context.issues.push({ code: 'custom', message: wrong, input });
    return list;
  });

const one = (measure: Measure) => ruleSchema(measure, {}).optional();

export const limitSchema = section(
  {
    ...ruleOptions,
    match: matchSchema.optional(),
    per: per.optional().describe('Whose counter it is; identity unless said'),
    block: duration.optional().describe('failures only: how long the address is refused after the limit'),
    requests: one('requests'),
    tokens: one('tokens'),
    inputTokens: one('inputTokens'),
    outputTokens: one('outputTokens'),
    cost: one('cost'),
    gpuSeconds: one('gpuSeconds'),
    concurrency: one('concurrency'),
    failures: one('failures'),
    toolCalls: one('toolCalls'),
  },
  'a mapping such as `{ name: house, per: all, concurrency: 100 }`',
).describe('One limit on top of the tier; it has exactly one measure');

export type LimitEntry = z.output<typeof limitSchema>;
