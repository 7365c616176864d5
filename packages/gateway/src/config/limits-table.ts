/** The limits of a policy as tables, for people. */
import { describeLimit, inWords, type Limit, type Match, type Policy, type Tier } from '@headgate/core';

export function limitsTables(policy: Policy): string {
  const shared = policy.limits.map(row);
  const tiers = Object.values(policy.tiers).map((tier) => [
    `tier ${tier.name}${tier.mode === 'shadow' ? ' (shadow)' : ''}`,
    ...indented([...bounds(tier), ...tier.limits.map(row)]),
  ]);
  const more = shared.length === 0 ? [] : [['limits on top of the tier', ...indented(shared)]];
  return [...tiers, ...more].map((lines) => lines.join('\n')).join('\n\n');
}

type Row = readonly [name: string, what: string, scope: string];

/** What a tier says besides its limits. */
function bounds({ models, priority, inputTokensMax, outputTokensMax, contextAlert, run }: Tier): Row[] {
  const rows: Row[] = [['models', models === undefined ? 'all' : models.join(', '), '']];
  const add = (name: string, words: string): number => rows.push([name, words, '']);
  if (priority !== 'normal') add('priority', priority);
  if (inputTokensMax !== undefined) add('input', `at most ${inputTokensMax} tokens in a prompt`);
  if (outputTokensMax !== undefined) add('output', `at most ${outputTokensMax} tokens in an answer`);
  if (contextAlert !== undefined) add('contextAlert', `an alert at ${percent(contextAlert)} of the context`);
  if (run?.depthMax !== undefined) add('run.depth', `at most ${run.depthMax} agents deep`);
  if (run?.timeMs !== undefined) add('run.time', `at most ${inWords(run.timeMs)} a run`);
  return rows;
}

function row(limit: Limit): Row {
  const scope = [`per ${limit.per.join(' and ')}`];
  if (limit.match !== undefined) scope.push(`for ${matchWords(limit.match)}`);
  if (limit.queue) scope.push('more wait in the queue');
  if (limit.alertAt !== undefined) scope.push(`an alert at ${percent(limit.alertAt)}`);
  if (limit.mode === 'shadow') scope.push('shadow');
  return [limit.name, describeLimit(limit), scope.join(', ')];
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

function matchWords({ not, ...keys }: Match): string {
  const words = Object.entries(keys).map(([key, values]) => `${key} ${(values as readonly string[]).join(' or ')}`);
  if (not !== undefined) words.push(`not (${matchWords(not)})`);
  return words.join(', ');
}

function indented(rows: readonly Row[]): string[] {
  const width = (column: 0 | 1): number => Math.max(0, ...rows.map((cells) => cells[column].length));
  const [first, second] = [width(0), width(1)];
  return rows.map(([name, what, scope]) => `  ${name.padEnd(first)}  ${what.padEnd(second)}  ${scope}`.trimEnd());
}
