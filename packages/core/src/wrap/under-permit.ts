/** Work that is done under a permit, which ends with it on every path. */
import type { Usage } from '../model.js';
import type { Permit } from '../settlement/permit.js';

/**
 * Does the work and settles when it is done. What it throws is passed on; what was metered until then is charged.
 * @param usageOf finds what was really used in the result; what it throws is passed on too, once the work was charged as if
 *   nothing had been reported
 */
export async function underPermit<Result>(
  permit: Permit,
  work: (permit: Permit) => Result | Promise<Result>,
  usageOf?: (result: Result) => Usage | null | undefined,
): Promise<Result> {
  let result: Result;
  try {
    result = await work(permit);
  } catch (error) {
    const inputTokens = permit.metered > 0 ? permit.reserved.inputTokens : 0;
    if (!permit.ended) permit.settle({ inputTokens, outputTokens: permit.metered });
    throw error;
  }
  if (permit.ended) return result;
  let used: Usage | null | undefined;
  try {
    used = usageOf?.(result);
  } finally {
    permit.settle(used);
  }
  return result;
}
