// @ts-check
// The last refusals, the newest first.
import { byId, element, name, Rows, write } from './elements.js';
import { clockTime, count, duration } from './words.js';

/** @typedef {import('../snapshot.js').RefusalView} RefusalView */

export class RefusalsView {
  #rows;

  constructor() {
    /** @type {Rows<RefusalView, HTMLLIElement>} */
    this.#rows = new Rows(byId('refusals'), { key, make, update });
  }

  /** @param {readonly RefusalView[]} refusals */
  show(refusals) {
    this.#rows.show(refusals);
    byId('refusals-empty').hidden = refusals.length > 0;
  }
}

/** @param {RefusalView} refusal */
function key({ who, operation, model, reason, limit, mode }) {
  return JSON.stringify([who, operation, model, reason, limit, mode]);
}

/** @param {RefusalView} refusal */
function make({ who, operation, model, reason, limit, mode }) {
  return element(
    'li',
    { 'data-mode': mode },
    element('time'),
    element('span', { class: 'by' }, name(who)),
    element('span', { class: 'what' }, operation, model !== '' && ' ', model !== '' && name(model)),
    element(
      'span',
      { class: 'why' },
      mode === 'shadow' && 'would be refused by ',
      element('b', {}, name(limit ?? reason)),
      limit !== undefined && reason !== 'limit' && ` (${reason})`,
    ),
    element('span', { class: 'again' }),
  );
}

/**
 * @param {HTMLLIElement} row
 * @param {RefusalView} refusal
 */
function update(row, { at, since, count: times, retryAfterMs, mode }) {
  const [time, again] = /** @type {[HTMLTimeElement, Element]} */ ([row.firstElementChild, row.lastElementChild]);
  time.dateTime = new Date(at).toISOString();
  write(time, clockTime(at));
  const words = [
    times > 1 && `${count(times)} times since ${clockTime(since)}`,
    retryAfterMs !== undefined && mode === 'enforce' && `told to wait ${duration(retryAfterMs)}`,
  ];
  write(again, words.filter(Boolean).join(', '));
}
