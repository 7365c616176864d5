/** How much to set aside for a request before it runs: input plus what such answers usually produce (D2). */
import type { AdmitRequest, Limit } from '../model.js';
import type { Policy } from '../policy/policy.js';
import type { PromptSize } from '../reservation.js';
import { type CountTokens, countAll, countCharacters, estimateTokens } from './estimate.js';
import type { Charges } from './pricing.js';

const nothing = knownSize(0);

function knownSize(tokensKnown: number): PromptSize {
  return { characters: undefined, textTokens: 0, messages: 0, images: 0, tokensKnown };
}

/** The prompt by what makes it long, its texts counted. */
export function promptSizeOf(input: AdmitRequest['input'], countTokens: CountTokens): PromptSize {
  if (input === undefined) return nothing;
  if (typeof input === 'string') return sizeOf([input], countTokens, nothing);
  if ('tokens' in input) return knownSize(input.tokens);
  if (!('texts' in input)) return sizeOf(input, countTokens, nothing);
  const { texts, messages, images, inputTokensKnown: tokensKnown } = input;
  return sizeOf(texts, countTokens, { messages, images, tokensKnown });
}

/** The estimate is made from the classes of characters, each of which is calibrated; a counter that was given, as a whole. */
function sizeOf(
  texts: readonly string[],
  countTokens: CountTokens,
  { messages, images, tokensKnown }: Omit<PromptSize, 'characters' | 'textTokens'>,
): PromptSize {
  const estimated = countTokens === estimateTokens;
  return {
    characters: estimated ? countCharacters(texts) : undefined,
    textTokens: estimated ? 0 : countAll(texts, countTokens),
    messages,
    images,
    tokensKnown,
  };
}

/**
 * Most output tokens that limits hold beside this input.
 * @param unitsOf what a limit holds: in all, or now
 * @param chargesOf what tokens of this request's model cost beside themselves
 */
export function outputRoom<Row extends Pick<Limit, 'mode' | 'measure'>>(
  rows: readonly Row[],
  unitsOf: (row: Row) => number,
  inputTokens: number,
  chargesOf: (inputTokens: number, outputTokens: number) => Charges,
): number {
  let room = Number.POSITIVE_INFINITY;
  for (const row of rows) {
    const { mode, measure } = row;
    if (mode === 'shadow') continue;
    if (measure === 'tokens') room = Math.min(room, floor(unitsOf(row) - inputTokens));
    else if (measure === 'outputTokens') room = Math.min(room, floor(unitsOf(row)));
    else if (measure === 'cost' || measure === 'gpuSeconds') {
      const perToken = chargesOf(0, 1)[measure];
      if (perToken > 0) room = Math.min(room, floor((unitsOf(row) - chargesOf(inputTokens, 0)[measure]) / perToken));
    }
  }
  return Math.max(0, room);
}

export interface OutputFacts {
  /** Cap on the output; Infinity when there is none. */
  readonly outputTokensMax: number;
  /** What such answers usually produce at most. */
  readonly expected: number;
  readonly room: number;
}

/** A guess is clamped to what the limits could ever hold, so that small limits still make progress; a declared cap in strict mode is not. */
export function outputToReserve(reserve: Policy['reserve'], facts: OutputFacts): number {
  if (reserve === 'strict' && facts.outputTokensMax !== Number.POSITIVE_INFINITY) return facts.outputTokensMax;
  return Math.max(0, Math.min(facts.expected, facts.outputTokensMax, facts.room));
}

/** Where no cap was declared, none larger than this is added: some servers refuse one that is larger than their context. */
export const capAddedMax = 8_192;

/** Whole tokens; a quotient that rounding left just below a whole one counts as that. */
function floor(tokens: number): number {
  return Math.floor(tokens + 1e-9);
}
