// @ts-check
// Refusals and waits of the last half hour, one above the other on the same time.
import { element, write } from './elements.js';
import { clockTime, count, counted, duration } from './words.js';

/** @typedef {import('../snapshot.js').TimelineView} TimelineView */
/** @typedef {import('../timeline.js').TimelineRow} TimelineRow */
/** @typedef {import('uplot')} Plot */
/** @typedef {[number[], number[], number[]]} Columns */
/** @typedef {{ figure: HTMLElement, plot: HTMLElement, caption: HTMLElement }} Frame */

const height = 136;
const gutter = 58;
const font = '12px system-ui, sans-serif';

export class Timeline {
  /** By their instant, epoch seconds. @type {Map<number, TimelineRow>} */
  #rows = new Map();
  #refusals = frame('Refusals', ['bad', 'refused'], ['warn', 'in shadow']);
  #waits = frame('Time in the queue', ['accent', 'longest'], ['strong', 'mean']);
  /** @type {readonly [Plot, Plot] | undefined} */
  #plots;
  /** Where the pointer is, as an index of the columns. @type {number | null | undefined} */
  #pointed;
  /** @type {TimelineRow[]} */
  #steps = [];

  /** @param {HTMLElement} parent */
  constructor(parent) {
    parent.append(this.#refusals.figure, this.#waits.figure);
  }

  /** A stream begins with all that is known, perhaps by another process than the last one's. */
  forget() {
    this.#rows.clear();
  }

  /**
   * @param {TimelineView} timeline
   * @param {number} at epoch ms
   */
  show({ stepMs, steps, rows }, at) {
    const stepSeconds = stepMs / 1_000;
    const last = Math.floor(at / stepMs) * stepSeconds;
    const first = last - (steps - 1) * stepSeconds;
    for (const row of rows) this.#rows.set(row[0], row);
    for (const instant of this.#rows.keys()) if (instant < first) this.#rows.delete(instant);
    this.#steps = Array.from({ length: steps }, (_, index) => {
      const instant = first + index * stepSeconds;
      return this.#rows.get(instant) ?? [instant, 0, 0, 0, 0];
    });
    const columns = this.#columns();
    this.#plots ??= this.#makePlots(columns);
    for (const [index, plot] of this.#plots.entries()) plot.setData(/** @type {Columns} */ (columns[index]));
    this.#describe();
  }

  /** The taller ones first, since the others are drawn over them. @returns {readonly [Columns, Columns]} */
  #columns() {
    const at = this.#steps.map(([instant]) => instant);
    return [
      [at, this.#steps.map(([, refused, shadow]) => refused + shadow), this.#steps.map(([, refused]) => refused)],
      [at, this.#steps.map(([, , , , longest]) => longest / 1_000), this.#steps.map(([, , , mean]) => mean / 1_000)],
    ];
  }

  /** @param {readonly [Columns, Columns]} columns @returns {readonly [Plot, Plot]} */
  #makePlots(columns) {
    const onPoint = (/** @type {number | null | undefined} */ index) => {
      this.#pointed = index;
      this.#describe();
    };
    const bars = /** @type {import('uplot').Series.PathBuilder} */ (uPlot().paths.bars?.({ size: [0.7, 12] }));
    const asCount = (/** @type {number} */ value) => (Number.isInteger(value) ? count(value) : '');
    const asTime = (/** @type {number} */ value) => (value === 0 ? '0' : duration(value * 1_000));
    const refusals = plotIn(this.#refusals.plot, columns[0], onPoint, { axis: asCount, least: 4 }, [
      { fill: () => color('warn'), width: 0, paths: bars, points: { show: false } },
      { fill: () => color('bad'), width: 0, paths: bars, points: { show: false } },
    ]);
    const waits = plotIn(this.#waits.plot, columns[1], onPoint, { axis: asTime, least: 1 }, [
      { fill: () => color('accent'), width: 0, paths: bars, points: { show: false } },
      { fill: () => color('strong'), width: 0, paths: bars, points: { show: false } },
    ]);
    const plots = /** @type {const} */ ([refusals, waits]);
    const redraw = () => plots.forEach((plot) => void plot.redraw(false, true));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    return plots;
  }

  /** In words, which is also what those have who cannot see the charts. */
  #describe() {
    const pointed = this.#pointed == null ? undefined : this.#steps[this.#pointed];
    const among = pointed === undefined ? this.#steps : [pointed];
    const when = pointed === undefined ? '' : `${clockTime(pointed[0] * 1_000)}: `;
    const refused = among.reduce((sum, [, one]) => sum + one, 0);
    const shadow = among.reduce((sum, [, , one]) => sum + one, 0);
    const longest = Math.max(...among.map(([, , , , ms]) => ms));
    write(
      this.#refusals.caption,
      `${when}${count(refused)} refused${shadow > 0 ? `, ${count(shadow)} in shadow` : ''}`,
    );
    write(this.#waits.caption, longest === 0 ? `${when}nobody waited` : `${when}${duration(longest)} at most`);
    const steps = counted(Math.round(this.#steps.length / 6), 'minute');
    this.#refusals.plot.setAttribute('aria-label', `Refusals over ${steps}, as bars of ten seconds`);
    this.#waits.plot.setAttribute('aria-label', `Time in the queue over ${steps}, as bars of ten seconds`);
  }
}

/**
 * @param {string} title
 * @param {...readonly [color: string, meaning: string]} legend
 * @returns {Frame}
 */
function frame(title, ...legend) {
  const caption = element('span', { class: 'total' });
  const plot = element('div', { class: 'plot', role: 'img' });
  const keys = legend.map(([kind, meaning]) => element('span', { class: 'key', 'data-kind': kind }, meaning));
  const head = element(
    'figcaption',
    {},
    element('h3', {}, title),
    caption,
    element('span', { class: 'keys' }, ...keys),
  );
  return { figure: element('figure', {}, head, plot), plot, caption };
}

/**
 * @param {HTMLElement} parent
 * @param {Columns} columns
 * @param {(index: number | null | undefined) => void} onPoint
 * @param {{ axis: (value: number) => string, least: number }} scale `least`: what the scale reaches at least
 * @param {import('uplot').Series[]} series
 * @returns {Plot}
 */
function plotIn(parent, columns, onPoint, { axis, least }, series) {
  const ruler = { stroke: () => color('muted'), font, ticks: { show: false } };
  const grid = { stroke: () => color('line'), width: 1 };
  const made = new (uPlot())(
    {
      width: parent.clientWidth,
      height,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'timeline' }, drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: {
        // The last step has its whole width too.
        x: { range: (_plot, min, max) => [min, max + (max - min) / columns[0].length] },
        y: { range: (_plot, _min, max) => [0, Math.max(least, max * 1.1)] },
      },
      axes: [
        {
          ...ruler,
          size: 26,
          grid: { show: false },
          space: 70,
          values: (_plot, at) => at.map((one) => clockTime(one * 1_000).slice(0, 5)),
        },
        { ...ruler, grid, size: gutter, space: 26, values: (_plot, at) => at.map(axis) },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx)] },
    },
    columns,
    parent,
  );
  new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height })).observe(parent);
  return made;
}

/** @param {string} kind @returns {string} */
function color(kind) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${kind}`).trim();
}

/** The script before the modules brings it. @returns {typeof import('uplot')} */
function uPlot() {
  return /** @type {{ uPlot: typeof import('uplot') }} */ (/** @type {unknown} */ (globalThis)).uPlot;
}
