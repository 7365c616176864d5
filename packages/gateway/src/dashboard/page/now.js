// @ts-check
// The figures at the top.
import { element, write } from './elements.js';
import { count, duration, rate } from './words.js';

/** @typedef {import('../snapshot.js').Snapshot} Snapshot */

/** @type {readonly { title: string, value: (s: Snapshot) => string, beside: (s: Snapshot) => string }[]} */
const figures = [
  {
    title: 'In flight',
    value: ({ now }) => count(now.inFlight),
    beside: ({ backends }) => {
      const usable = backends.filter((one) => one.usable);
      return `${count(sum(usable, 'used'))} of ${count(sum(usable, 'slots'))} slots in use`;
    },
  },
  {
    title: 'Waiting',
    value: ({ now }) => count(now.waiting),
    beside: ({ now: { waiting, waitingBy, oldestMs } }) => {
      if (waiting === 0) return 'nobody';
      const by = Object.entries(waitingBy).filter(([, waits]) => waits > 0);
      const words = by.map(([priority, waits]) => `${count(waits)} ${priority}`);
      if (by.length > 0) words.push(`longest ${duration(oldestMs)}`);
      const turns = by.reduce((left, [, waits]) => left - waits, waiting);
      return (turns > 0 ? [...words, `${count(turns)} for their turn`] : words).join(' · ');
    },
  },
  {
    title: 'Tokens a second',
    value: ({ now }) => (now.tokensPerSecond === undefined ? '–' : rate(now.tokensPerSecond.output)),
    beside: ({ now }) =>
      now.tokensPerSecond === undefined ? 'being measured' : `out · ${rate(now.tokensPerSecond.input)} in`,
  },
  {
    title: 'Refused',
    value: ({ now }) => count(now.refused),
    beside: ({ now }) => `of ${count(now.requests)} in ten minutes`,
  },
];

export class NowView {
  #cells;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.#cells = figures.map((figure) => {
      const value = element('dd', { class: 'value' }, '–');
      const beside = element('dd', { class: 'beside' });
      parent.append(element('div', {}, element('dt', {}, figure.title), value, beside));
      return { figure, value, beside };
    });
  }

  /** @param {Snapshot} snapshot */
  show(snapshot) {
    for (const { figure, value, beside } of this.#cells) {
      write(value, figure.value(snapshot));
      write(beside, figure.beside(snapshot));
    }
  }
}

/**
 * @param {Snapshot['backends']} backends
 * @param {'used' | 'slots'} what
 */
function sum(backends, what) {
  return backends.reduce((total, one) => total + one[what], 0);
}
