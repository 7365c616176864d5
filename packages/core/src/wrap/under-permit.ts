/** Work that is done under a permit, which ends with it on every path. */
import type { Usage } from '../model.js';
import type { Permit } from '../settlement/permit.js';

/**
 * Does the work and settles when it is done. What it throws is passed on; what was metered until then is charged.
 * @param usageOf finds what was really used in the result
 */
export async function underPermit<Result>(
  permit: Permit,
  work: (permit: Permit) => Result | Promise<Result>,
  usageOf?: (result: Result) => Usage | undefined,
): Promise<Result> {
  try {
    const result = await work(permit);
    if (!permit.ended) permit.settle(usageOf?.(result) ?? {});
    return result;
  } catch (error) {
    const inputTokens = permit.metered > 0 ? permit.reserved.inputTokens : 0;
    if (!permit.ended) permit.settle({ inputTokens, outputTokens: permit.metered });
    throw error;
  }
}
