// @ts-check
// Each backend: how it is, which of its slots are taken, and what it has in memory.
import { element, fill, name, Rows, write } from './elements.js';
import { count } from './words.js';

/** @typedef {import('../snapshot.js').BackendView} BackendView */

/** More slots than this are told in words alone. */
const pipsMax = 32;

/** @type {Readonly<Record<BackendView['state'], readonly [word: string, kind: 'ok' | 'warn' | 'bad']>>} */
const states = {
  healthy: ['healthy', 'ok'],
  suspect: ['suspect: a probe failed', 'warn'],
  'slow-start': ['back, at first for some of its slots', 'warn'],
  probing: ['being tried again', 'warn'],
  ejected: ['left out for a while: it let requests down', 'bad'],
  down: ['down: it does not answer its health path', 'bad'],
  draining: ['draining: takes no new requests', 'warn'],
  removed: ['removed', 'warn'],
};

export class BackendsView {
  #rows;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    /** @type {Rows<BackendView, HTMLLIElement>} */
    this.#rows = new Rows(parent, { key: (one) => one.name, make, update });
  }

  /** @param {readonly BackendView[]} backends */
  show(backends) {
    this.#rows.show(backends);
  }
}

/** @param {BackendView} backend */
function make(backend) {
  return element(
    'li',
    { class: 'card' },
    element('h3', {}, name(backend.name)),
    element('p', { class: 'state' }),
    element('div', { class: 'slots' }, element('span', { class: 'pips', 'aria-hidden': 'true' }), element('span')),
    element('ul', { class: 'models' }),
  );
}

/**
 * @param {HTMLLIElement} card
 * @param {BackendView} backend
 */
function update(card, { state, used, slots, models }) {
  const [, stateLine, slotsLine, modelList] = card.children;
  const [word, kind] = states[state] ?? [state, 'warn'];
  write(/** @type {Element} */ (stateLine), word);
  /** @type {HTMLElement} */ (stateLine).dataset.kind = kind;
  const [pips, text] = /** @type {Element} */ (slotsLine).children;
  showPips(/** @type {Element} */ (pips), used, slots);
  write(/** @type {Element} */ (text), `${count(used)} of ${count(slots)} slots in use`);
  const key = JSON.stringify(models);
  const list = /** @type {HTMLElement} */ (modelList);
  if (list.dataset.models === key) return;
  list.dataset.models = key;
  fill(
    list,
    ...(models.length === 0
      ? [element('li', { class: 'none' }, 'no model in memory')]
      : models.map((model) => element('li', {}, name(model)))),
  );
}

/**
 * @param {Element} pips
 * @param {number} used
 * @param {number} slots
 */
function showPips(pips, used, slots) {
  const shown = slots > pipsMax ? 0 : Math.max(used, slots);
  while (pips.childElementCount > shown) pips.lastElementChild?.remove();
  while (pips.childElementCount < shown) pips.append(element('i'));
  for (const [index, pip] of [...pips.children].entries()) pip.classList.toggle('used', index < used);
}
