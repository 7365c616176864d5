/** docs/operations/ against the program: its metrics, what the dashboard and the alerts ask of them, the fields of its log. */
import { Limiter, parsePolicy } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Metrics } from '../../../packages/gateway/src/admin/metrics.js';
import { codeIn, page } from '../../support/markdown.js';
import { textOf } from '../../support/repository.js';

const metrics = new Metrics(new Limiter(parsePolicy({}))).described;

describe('metrics.md', () => {
  const rows = page('docs/operations/metrics.md').rows.map(({ cells }) => cells);

  test('has a row for every metric, with its kind and its labels, and none that is gone', () => {
    expect(metrics.length).toBeGreaterThan(20);
    const ours = rows.filter(({ length }) => length === 4);
    const written = ours.map(([name = '', kind, labels = '']) => `${codeIn(name)} ${kind} ${codeIn(labels)}`);
    expect(written.sort()).toEqual(metrics.map(({ name, kind, labelNames }) => `${name} ${kind} ${labelNames}`).sort());
  });
});

test('log.md has a row for every field of a line', () => {
  const [, fields = ''] = /const fields[^{]*\{([^}]+)\}/.exec(textOf('packages/gateway/src/log/lines.ts')) ?? [];
  const names = [...fields.matchAll(/^\s+(\w+):/gm)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(10);
  const told = page('docs/operations/log.md').rows.flatMap(({ cells: [cell = ''] }) => codeIn(cell));
  expect(names.filter((name) => !told.includes(name))).toEqual([]);
});

interface Expression {
  readonly place: string;
  readonly text: string;
}

const dashboard = JSON.parse(textOf('docs/operations/grafana-dashboard.json')) as {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
};
const panels = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }): Expression => ({ place: `panel "${title}"`, text: expr })),
);
const marks = dashboard.annotations.list.map(({ name, expr }): Expression => ({ place: `mark "${name}"`, text: expr }));
const { groups } = parse(textOf('docs/operations/alerts.yml')) as {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string; readonly annotations: object }[];
  }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.map(({ alert, expr }): Expression => ({ place: alert, text: expr }));

interface Selection {
  /** As it is written: with `_bucket`, where it is that. */
  readonly name: string;
  readonly labels: readonly string[];
  /** What is done with it: the word before its parenthesis. */
  readonly within: string | undefined;
  readonly isRange: boolean;
}

/** Prometheus' own metric, and the labels that it adds. */
const ofPrometheus = ['up'];
const labelsOfPrometheus = ['instance', 'job'];
const words = /^(?:by|on|and|or|group_left|sum|max|count|rate|increase|changes|histogram_quantile|vector)$/;

/** What an expression asks for, and by what it puts it together. */
function readExpression(text: string): {
  readonly selections: readonly Selection[];
  readonly groups: readonly string[];
} {
  const plain = text.replaceAll(/"[^"]*"/g, '""').replaceAll('$__rate_interval', '5m');
  const groups: string[] = [];
  const rest = plain.replaceAll(/\b(?:by|on) \(([^)]*)\)/g, (_, names: string) => {
    groups.push(...names.split(',').map((name) => name.trim()));
    return '';
  });
  const named = rest.matchAll(/(?:(\w+)\()?\b([a-z_]+)(?:\{([^}]*)\})?(\[\w+\])?(?!\w|\s*\()/g);
  const selections = [...named]
    .filter(([, , name]) => !words.test(name!))
    .map(([, within, name = '', labels = '', range]) => ({
      name,
      labels: [...labels.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)].map(([, label]) => label!),
      within,
      isRange: range !== undefined,
    }));
  return { selections, groups };
}

/** The metric that a name is of, and the labels it has under this name. */
function metricOf(
  name: string,
): { readonly name: string; readonly kind: string; readonly labels: readonly string[] } | undefined {
  for (const { name: own, kind, labelNames } of metrics) {
    if (own === name && kind !== 'histogram') return { name: own, kind, labels: labelNames };
    if (kind !== 'histogram' || !name.startsWith(`${own}_`)) continue;
    const part = name.slice(own.length + 1);
    if (part === 'bucket') return { name: own, kind: 'counter', labels: [...labelNames, 'le'] };
    if (part === 'sum' || part === 'count') return { name: own, kind: 'counter', labels: labelNames };
  }
  return undefined;
}

describe('the dashboard and the alerts', () => {
  test.each([...panels, ...marks, ...alerts])(
    '$place asks for metrics that there are, by labels that they have',
    ({ text }) => {
      const { selections, groups } = readExpression(text);
      expect(selections.length).toBeGreaterThan(0);
      for (const { name, labels, within, isRange } of selections) {
        if (ofPrometheus.includes(name)) continue;
        const metric = metricOf(name);
        expect(metric, name).toBeDefined();
        const known = [...metric!.labels, ...labelsOfPrometheus];
        expect(
          labels.filter((label) => !known.includes(label)),
          `labels of ${name}`,
        ).toEqual([]);
        // What only grows says nothing by itself.
        if (metric!.kind === 'counter')
          expect([within, isRange], name).toEqual([expect.stringMatching(/^(rate|increase)$/), true]);
      }
      const known = [...selections.flatMap(({ name }) => metricOf(name)?.labels ?? []), ...labelsOfPrometheus];
      expect(groups.filter((label) => !known.includes(label))).toEqual([]);
    },
  );

  test('show every metric between them', () => {
    const shown = [...panels, ...marks, ...alerts].flatMap(({ text }) =>
      readExpression(text).selections.map(({ name }) => metricOf(name)?.name),
    );
    expect(metrics.map(({ name }) => name).filter((name) => !shown.includes(name))).toEqual([]);
  });

  test('name labels in their words that the expression keeps', () => {
    const legends = JSON.stringify(dashboard.panels).matchAll(/"expr":"((?:[^"\\]|\\.)*)","legendFormat":"([^"]*)"/g);
    const told = [
      ...[...legends].map(([, expr, words]) => [expr!, words!] as const),
      ...rules.map(({ expr, annotations }) => [expr, JSON.stringify(annotations)] as const),
    ];
    expect(told.length).toBeGreaterThan(40);
    for (const [expr, words] of told) {
      const named = [...words.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label!);
      const isGrouped = /\b(?:sum|max|count)\b/.test(expr);
      const { selections, groups } = readExpression(expr);
      const kept = isGrouped
        ? groups
        : [...selections.flatMap(({ name }) => metricOf(name)?.labels ?? []), ...labelsOfPrometheus];
      expect(
        named.filter((label) => !kept.includes(label)),
        expr,
      ).toEqual([]);
    }
  });

  test('are in the table, each alert with its name', () => {
    const told = page('docs/operations/metrics.md').rows.flatMap(({ cells: [cell = ''] }) => codeIn(cell));
    expect(told.filter((name) => name.startsWith('Headgate'))).toEqual(rules.map(({ alert }) => alert));
  });
});

test('traces.md has a row for every event and every attribute of a span, and none that is gone', () => {
  const { rows } = page('docs/operations/traces.md');
  const source = textOf('packages/gateway/src/trace/request-span.ts');
  const told = rows.flatMap(({ cells: [cell = ''] }) => codeIn(cell));
  const attributes = [...source.matchAll(/'([a-z_]+(?:\.[a-z_]+)+)'/g)].map(([, name]) => name!);
  const events = [...source.matchAll(/#event\('([a-z-]+)'/g)].map(([, name]) => name!);
  const decisions = [...textOf('packages/gateway/src/exchange/record.ts').matchAll(/decision\?: (.+);/g)].flatMap(
    ([, union = '']) => union.match(/(?<=')[a-z]+/g) ?? [],
  );
  expect(decisions).toHaveLength(3);
  // Of the event that it stands with.
  const ofEvents = ['headgate.waited_ms'];
  const all = new Set([...attributes, ...events, ...decisions].filter((name) => !ofEvents.includes(name)));
  expect(told.sort()).toEqual([...all].sort());
});
