/** What a backend or a caller reports may be anything; a NaN or a negative would spoil every counter it is charged on. */
import type { Usage } from '../model.js';

/** The number that was reported; undefined for what is none from zero up, or more than can be counted one by one. */
export function reportedNumber(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Of what was reported, only the numbers that are some. */
export function reportedUsage(given: Usage | null | undefined): Usage {
  if (given === null || given === undefined) return {};
  const inputTokens = reportedNumber(given.inputTokens);
  const outputTokens = reportedNumber(given.outputTokens);
  const gpuSeconds = reportedNumber(given.gpuSeconds);
  return {
    ...(inputTokens === undefined ? {} : { inputTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
    ...(gpuSeconds === undefined ? {} : { gpuSeconds }),
  };
}
