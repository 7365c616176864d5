// @ts-check
// Who asked lately: what came of it, what is left, and what refuses whom.
import { byId, element, fill, name, Rows, write } from './elements.js';
import { ago, amount, count, counted, duration } from './words.js';

/** @typedef {import('../snapshot.js').IdentityView} IdentityView */
/** @typedef {import('../snapshot.js').BudgetView} BudgetView */
/** @typedef {import('../snapshot.js').CauseView} CauseView */

/** Shown of each identity without being asked for. */
const budgetsShown = 3;
/** Below this share a budget is nearly spent. */
const lowShare = 0.1;

/** @type {Readonly<Record<string, (a: IdentityView, b: IdentityView) => number>>} */
const orders = {
  refused: (a, b) => b.refused - a.refused || b.tokens - a.tokens,
  tokens: (a, b) => b.tokens - a.tokens,
  left: (a, b) => leastLeft(a) - leastLeft(b),
  name: () => 0,
};

export class IdentitiesView {
  #list = byId('identities');
  #filter = /** @type {HTMLInputElement} */ (byId('filter'));
  #order = /** @type {HTMLSelectElement} */ (byId('order'));
  #onlyRefused = /** @type {HTMLInputElement} */ (byId('only-refused'));
  #rows;
  /** @type {{ identities: readonly IdentityView[], identitiesMore: number, at: number } | undefined} */
  #last;
  /** @type {string[]} */
  #shownIds = [];

  constructor() {
    /** @type {Rows<{ identity: IdentityView, at: number }, HTMLLIElement>} */
    this.#rows = new Rows(this.#list, {
      key: ({ identity }) => identity.id,
      make: ({ identity }) => make(identity),
      update: (row, { identity, at }) => update(row, identity, at),
    });
    for (const control of [this.#filter, this.#order, this.#onlyRefused]) {
      control.addEventListener('input', () => {
        this.#shownIds = [];
        this.#render();
      });
    }
    fill(byId('identities-empty'), ...howToAsk());
  }

  /** @param {import('../snapshot.js').Snapshot} snapshot */
  show({ identities, identitiesMore, at }) {
    this.#last = { identities, identitiesMore, at };
    this.#render();
  }

  #render() {
    if (this.#last === undefined) return;
    const { identities, identitiesMore, at } = this.#last;
    const wanted = this.#filter.value.trim().toLowerCase();
    const shown = identities
      .filter(({ id, refused }) => id.toLowerCase().includes(wanted) && (refused > 0 || !this.#onlyRefused.checked))
      .sort((a, b) => orders[this.#order.value]?.(a, b) || a.id.localeCompare(b.id, 'en', { numeric: true }));
    this.#rows.show(this.#steady(shown).map((identity) => ({ identity, at })));
    byId('identities-empty').hidden = identities.length > 0;
    const hidden = identities.length - shown.length;
    const more = byId('identities-more');
    more.hidden = hidden + identitiesMore === 0;
    const words = [hidden > 0 && `${counted(hidden, 'identity', 'identities')} not matching`];
    if (identitiesMore > 0) words.push(`${count(identitiesMore)} more that asked less recently`);
    write(more, words.filter(Boolean).join(' · '));
  }

  /**
   * While somebody points at a row or is in one, rows stay where they are.
   * @param {readonly IdentityView[]} identities
   */
  #steady(identities) {
    if (this.#list.matches(':hover, :focus-within')) {
      const places = new Map(this.#shownIds.map((id, index) => [id, index]));
      const placeOf = (/** @type {IdentityView} */ { id }) => places.get(id) ?? places.size;
      return [...identities].sort((a, b) => placeOf(a) - placeOf(b));
    }
    this.#shownIds = identities.map(({ id }) => id);
    return identities;
  }
}

/** @param {IdentityView} identity */
function leastLeft({ limits = [] }) {
  return Math.min(1, ...limits.map(shareOf));
}

/** @param {BudgetView} budget */
function shareOf({ remaining, capacity }) {
  return capacity === 0 ? 0 : Math.max(0, Math.min(1, remaining / capacity));
}

/** Part of a request or a token lets nobody through. @param {BudgetView} budget */
function isSpent({ remaining, measure }) {
  return remaining < (measure === 'cost' || measure === 'gpuSeconds' ? Number.MIN_VALUE : 1);
}

const figures = ['Running', 'Requests', 'Tokens', 'Refused'];

/** @param {IdentityView} identity */
function make({ id }) {
  return element(
    'li',
    { class: 'card' },
    element('div', { class: 'who' }, element('h3', {}, name(id)), element('p', { class: 'meta' })),
    element(
      'dl',
      { class: 'lately' },
      ...figures.map((title) => element('div', {}, element('dt', {}, title), element('dd'))),
    ),
    element('ul', { class: 'causes' }),
    element(
      'div',
      { class: 'left' },
      element('ul', { class: 'budgets' }),
      element('details', { hidden: '' }, element('summary'), element('ul', { class: 'budgets' })),
      element('p', { class: 'none', hidden: '' }),
    ),
  );
}

/**
 * @param {HTMLLIElement} row
 * @param {IdentityView} identity
 * @param {number} at
 */
function update(row, identity, at) {
  const { tier, priority, inFlight, requests, tokens, refused, causes, seenAt, limits } = identity;
  const [meta, causeList, left] = ['.meta', '.causes', '.left'].map(
    (selector) => /** @type {HTMLElement} */ (row.querySelector(selector)),
  );
  const words = [`tier ${tier}`, priority !== 'normal' && `${priority} priority`, ago(at - seenAt)];
  write(/** @type {Element} */ (meta), words.filter(Boolean).join(' · '));
  for (const [index, value] of [inFlight, requests, tokens, refused].entries()) {
    const figure = /** @type {Element} */ (row.querySelectorAll('dd')[index]);
    write(figure, count(value));
    figure.classList.toggle('bad', index === 3 && value > 0);
  }
  showCauses(/** @type {HTMLElement} */ (causeList), causes);
  showBudgets(/** @type {HTMLElement} */ (left), limits);
}

/**
 * @param {HTMLElement} list
 * @param {readonly CauseView[]} causes
 */
function showCauses(list, causes) {
  list.hidden = causes.length === 0;
  const key = JSON.stringify(causes);
  if (list.dataset.causes === key) return;
  list.dataset.causes = key;
  fill(
    list,
    ...causes.map(({ reason, limit, mode, count: times }) =>
      element(
        'li',
        { 'data-mode': mode },
        mode === 'shadow' ? 'would be refused' : 'refused',
        limit === undefined ? ': ' : ' by ',
        element('b', {}, name(limit ?? reason)),
        limit !== undefined && reason !== 'limit' && ` (${reason})`,
        `, ${counted(times, 'time')}`,
      ),
    ),
  );
}

/**
 * @param {HTMLElement} left
 * @param {readonly BudgetView[] | undefined} limits
 */
function showBudgets(left, limits) {
  const [first, more, none] = /** @type {[HTMLElement, HTMLDetailsElement, HTMLElement]} */ ([...left.children]);
  const [summary, rest] = /** @type {[HTMLElement, HTMLElement]} */ ([...more.children]);
  const all = limits ?? [];
  showBars(first, all.slice(0, budgetsShown));
  showBars(rest, all.slice(budgetsShown));
  more.hidden = all.length <= budgetsShown;
  write(summary, counted(all.length - budgetsShown, 'more limit'));
  none.hidden = all.length > 0;
  write(none, limits === undefined ? 'what is left could not be found out' : 'no limit applies to its last request');
}

/**
 * @param {HTMLElement} list
 * @param {readonly BudgetView[]} budgets
 */
function showBars(list, budgets) {
  while (list.childElementCount > budgets.length) list.lastElementChild?.remove();
  while (list.childElementCount < budgets.length) list.append(makeBar());
  for (const [index, budget] of budgets.entries()) {
    showBar(/** @type {HTMLElement} */ (list.children[index]), budget);
  }
}

function makeBar() {
  return element(
    'li',
    {},
    element('span', { class: 'limit' }),
    element('span', { class: 'amount' }),
    element('div', { class: 'bar', role: 'meter', 'aria-valuemin': '0' }, element('i')),
  );
}

/**
 * @param {HTMLElement} item
 * @param {BudgetView} budget
 */
function showBar(item, budget) {
  const { name: limitName, rule = '', measure, capacity, remaining, resetMs, mode } = budget;
  const [title, text, bar] = /** @type {[HTMLElement, HTMLElement, HTMLElement]} */ ([...item.children]);
  const words = mode === 'shadow' ? `${rule}, in shadow` : rule;
  if (title.textContent !== `${limitName} ${words}`) fill(title, name(limitName), element('small', {}, ` ${words}`));
  const share = shareOf(budget);
  const left = amount(remaining, measure);
  write(text, resetMs > 0 && Number.isFinite(resetMs) ? `${left} left, all in ${duration(resetMs)}` : `${left} left`);
  bar.style.setProperty('--share', String(share));
  bar.dataset.kind = isSpent(budget) ? 'bad' : share <= lowShare ? 'warn' : 'ok';
  bar.setAttribute('aria-label', `${limitName} left`);
  bar.setAttribute('aria-valuemax', String(capacity));
  bar.setAttribute('aria-valuenow', String(Math.max(0, Math.min(capacity, remaining))));
  bar.setAttribute('aria-valuetext', `${left} of ${amount(capacity, measure)} left`);
}

function howToAsk() {
  const { origin } = location;
  const ask = `curl ${origin}/api/chat -d '{"model":"llama3.2","messages":[{"role":"user","content":"hi"}]}'`;
  return [
    element(
      'p',
      {},
      'Nobody has asked in the last ten minutes. Give your clients this address instead of Ollama’s, or try',
    ),
    element('pre', { tabindex: '0' }, element('code', {}, ask)),
  ];
}
