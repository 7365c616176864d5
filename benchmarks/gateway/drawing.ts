/** What of the results is drawn: processor's time beside the bare proxy that most gateways in Node are built on. */
import { type Panel, plot } from '../lib/plot.js';
import { bare, type Results, type Row, ratioOf, rowOf } from './report.js';

export function drawing({ small, streams }: Pick<Results, 'small' | 'streams'>): string {
  const panels = [
    panel(`Processor for a small request, to bare ${bare}`, small, ({ cpuUs }) => cpuUs),
    panel(`Processor for a stream of 50 events, to bare ${bare}`, streams, ({ cpuSeconds }) => cpuSeconds),
  ];
  return plot(panels.filter((one) => one !== undefined));
}

function panel<Round>(title: string, rows: readonly Row<Round>[], of: (round: Round) => number): Panel | undefined {
  const base = rowOf(rows, bare);
  if (base === undefined) return undefined;
  const bars = rows
    .filter(({ name }) => name !== 'direct')
    .map((row) => ({ label: row.name, value: ratioOf(row, base, of), own: row.name.startsWith('Headgate') }));
  return { title, unit: 'x', bars, mark: 1 };
}
