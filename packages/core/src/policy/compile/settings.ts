/** Everything around the limits, with the defaults of the documentation. */
import { readModel } from '../model-pattern.js';
import type { Policy, Price, StoreRules } from '../policy.js';
import { compact, isFault } from '../read.js';
import type { Report } from '../report.js';
import { policyShape } from '../schema/policy.js';

type Settings = Omit<Policy, 'identity' | 'tiers' | 'limits' | 'backends' | 'pool' | 'jobs' | 'remarks'>;
type Given = Readonly<Record<string, unknown>>;

export function compileSettings(given: Given, report: Report): Settings {
  const { listen, store, timeZone, queue, keys, client, log, admin, drain, guard, headers, alerts } = policyShape;
  const { onClientGone, onBudgetSpent, reserve } = policyShape;
  const waiting = report.check(queue, given.queue, ['queue']);
  if (waiting?.aging !== undefined && waiting.priority !== 'strict') {
    const why = 'priorities that are weighted share the slots. Say `priority: strict` beside it, or leave it out.';
    report.remark(['queue', 'aging'], why);
  }
  const clients = report.check(client, given.client, ['client']);
  const logging = report.check(log, given.log, ['log']);
  const guarding = report.check(guard, given.guard, ['guard']);
  return {
    listen: report.check(listen, given.listen, ['listen']) ?? { host: '127.0.0.1', port: 8080 },
    store: compileStore(report.check(store, given.store, ['store'])),
    timeZone: report.check(timeZone, given.timeZone, ['timeZone']) ?? 'UTC',
    queue: {
      depth: waiting?.depth ?? 200,
      waitMs: waiting?.wait ?? 30_000,
      fairness: waiting?.fairness ?? 'tokens',
      priority: waiting?.priority ?? 'weighted',
      agingMs: waiting?.aging ?? 20_000,
    },
    keysMax: report.check(keys, given.keys, ['keys']) ?? 100_000,
    client: {
      headersMs: clients?.headers ?? 10_000,
      bodyMs: clients?.body ?? 30_000,
      keepAliveMs: clients?.keepAlive ?? 75_000,
      idleReadMs: clients?.idleRead ?? 60_000,
      connectionsPerAddress: clients?.connections ?? 100,
      trustProxy: clients?.trustProxy ?? 0,
    },
    log: { access: logging?.access ?? 'stdout', format: logging?.format ?? 'json' },
    onClientGone: report.check(onClientGone, given.onClientGone, ['onClientGone']) ?? 'cancel',
    onBudgetSpent: report.check(onBudgetSpent, given.onBudgetSpent, ['onBudgetSpent']) ?? 'finish-cleanly',
    reserve: report.check(reserve, given.reserve, ['reserve']) ?? 'expected',
    admin: compact({ key: report.check(admin, given.admin, ['admin'])?.key }),
    drainMs: report.check(drain, given.drain, ['drain']) ?? 30_000,
    prices: compilePrices(given.prices, report),
    guard: {
      admin: guarding?.admin ?? 'deny',
      cloud: guarding?.cloud ?? 'deny',
      options: guarding?.options ?? { num_ctx: 8192 },
      keepAliveMsMax: guarding?.keepAlive ?? 1_800_000,
      inputsMax: guarding?.inputs ?? 256,
      bodyBytesMax: guarding?.body ?? 20 * 2 ** 20,
      paths: guarding?.paths ?? [],
      origins: guarding?.origins ?? [],
    },
    headers: report.check(headers, given.headers, ['headers']) ?? ['ietf', 'legacy', 'openai'],
    alerts: (report.check(alerts, given.alerts, ['alerts']) ?? []).map((alert) =>
      compact({
        webhook: alert.webhook,
        secret: alert.secret,
        on: alert.on ?? (['limit-alert', 'backend-down'] as const),
      }),
    ),
  };
}

function compileStore(
  entry:
    | { redis?: string; prefix?: string | undefined; onDown?: 'open' | 'closed' | 'local-share' | undefined }
    | undefined,
): StoreRules {
  if (entry?.redis === undefined) return { kind: 'memory' };
  return { kind: 'redis', url: entry.redis, prefix: entry.prefix ?? 'hg', onDown: entry.onDown ?? 'local-share' };
}

function compilePrices(given: unknown, report: Report): readonly Price[] {
  const entries = report.check(policyShape.prices, given, ['prices']) ?? {};
  const models = new Set<string>();
  return Object.entries(entries).flatMap(([pattern, price]): Price[] => {
    const read = readModel(pattern);
    if (isFault(read)) report.add(['prices', pattern], read);
    else if (models.has(read.value)) {
      report.add(['prices', pattern], {
        expected: `each model once; this one is \`${read.value}\` in canonical form, priced before`,
      });
    } else {
      models.add(read.value);
      return [{ model: read.value, ...compact(price) }];
    }
    return [];
  });
}
