/** Tables in Markdown, and figures as they stand in them. */
import type { Spread } from './statistics.js';

/** The first column is text, the others are figures; columns in line, as the formatter of this repository writes them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const padded = (cells: readonly string[]): string => {
    return line(cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))));
  };
  const rule = line(widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  return [padded(head), rule, ...rows.map(padded)].join('\n');
}

/** Three significant digits: more would claim what the method cannot hold. */
export function figure(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value === 0 ? '0' : String(Number(value.toPrecision(3)));
}

export function range({ median, low, high }: Spread, unit = ''): string {
  return `${figure(median)}${unit} (${figure(low)} to ${figure(high)})`;
}
