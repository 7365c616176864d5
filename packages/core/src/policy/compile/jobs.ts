/** `jobs`, with the defaults of the documentation. */
import type { JobRules, StoreRules } from '../policy.js';
import { compact } from '../read.js';
import type { Report } from '../report.js';
import { policyShape } from '../schema/policy.js';

const dayMs = 24 * 3_600_000;

export function compileJobs(given: unknown, store: StoreRules['kind'], report: Report): JobRules {
  const jobs = report.check(policyShape.jobs, given, ['jobs']);
  if (jobs !== undefined && jobs.depth !== 0 && store === 'memory') {
    report.remark(['jobs'], 'they are kept in Redis. Say `store: redis://127.0.0.1:6379` beside it, or leave it out.');
  }
  const { callbacks } = jobs ?? {};
  return {
    depth: jobs?.depth ?? 10_000,
    perIdentity: jobs?.perIdentity ?? 1_000,
    bodyBytesMax: jobs?.body ?? 2 ** 20,
    resultBytesMax: jobs?.result ?? 2 ** 20,
    waitMs: jobs?.wait ?? dayMs,
    keepMs: jobs?.keep ?? dayMs,
    tries: jobs?.tries ?? 5,
    leaseMs: jobs?.lease ?? 15_000,
    ...compact({
      callbacks: callbacks && {
        hosts: callbacks.hosts,
        secret: callbacks.secret,
        private: callbacks.private ?? ('deny' as const),
      },
    }),
  };
}
