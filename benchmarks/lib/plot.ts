/** Bars as SVG, for pages that are read in the light and in the dark: colours follow the reader's setting. */
import type { Spread } from './statistics.js';
import { figure } from './table.js';

export interface Bar {
  readonly label: string;
  /** The bar ends at the median; a thin line shows the lowest and the highest round. */
  readonly value: Spread;
  /** One of ours. */
  readonly own: boolean;
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
  /** A line across all bars, such as what is aimed at. */
  readonly mark?: number;
}

const width = 760;
const labelWidth = 220;
const valueWidth = 70;
const barHeight = 16;
const step = 24;
const titleHeight = 34;

const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .bar { fill: #8c959f; } .own { fill: #0969da; }
  .range { stroke: #24292f; stroke-width: 1; } .mark { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .bar { fill: #6e7681; } .own { fill: #4493f8; }
    .range { stroke: #e6edf3; } .mark { stroke: #ff7b72; }
  }
`;

export function plot(panels: readonly Panel[]): string {
  let top = 10;
  const drawn = panels.map((panel) => {
    const at = top;
    top += titleHeight + panel.bars.length * step + 14;
    return drawnPanel(panel, at);
  });
  const described = panels.map(({ title }) => escaped(title)).join('; ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" role="img" aria-label="${described}">
<style>${style}</style>
${drawn.join('\n')}
</svg>
`;
}

function drawnPanel({ title, unit, bars, mark }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ value }) => value.high), mark ?? 0);
  const x = (value: number): string => (labelWidth + (value / most) * (width - labelWidth - valueWidth)).toFixed(1);
  const lines = [`<text class="title" x="0" y="${top + 16}">${escaped(title)}</text>`];
  bars.forEach(({ label, value, own }, index) => {
    const y = top + titleHeight + index * step;
    const middle = y + barHeight / 2;
    lines.push(
      `<text x="${labelWidth - 8}" y="${y + 13}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${own ? 'bar own' : 'bar'}" x="${labelWidth}" y="${y}" width="${(Number(x(value.median)) - labelWidth).toFixed(1)}" height="${barHeight}"/>`,
      `<line class="range" x1="${x(value.low)}" x2="${x(value.high)}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${(Number(x(value.high)) + 6).toFixed(1)}" y="${y + 13}">${figure(value.median)}${escaped(unit)}</text>`,
    );
  });
  if (mark !== undefined) {
    const bottom = top + titleHeight + bars.length * step - (step - barHeight);
    lines.push(`<line class="mark" x1="${x(mark)}" x2="${x(mark)}" y1="${top + titleHeight - 4}" y2="${bottom + 4}"/>`);
  }
  return lines.join('\n');
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
