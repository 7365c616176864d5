// @ts-check
// Makes and changes elements. Names come from clients, so text only ever becomes text: there is no way in here to markup.

/** @typedef {Node | string | false | undefined} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...given(children));
  return made;
}

/**
 * Puts these in place of what is in the element.
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...given(children));
}

/**
 * Changes text only where it differs, so that a selection in what stays the same survives.
 * @param {Element} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A name that somebody chose: whatever script it is in, it turns round nothing beside it.
 * @param {string} text
 */
export function name(text) {
  return element('bdi', {}, text);
}

/**
 * The element with this id, which the page has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Holds one element for each item, in the order of the items. Elements stay as long as their item does: with them the focus,
 * and what was opened.
 * @template Item
 * @template {Element} Made
 */
export class Rows {
  /** @type {Map<string, Made>} */
  #made = new Map();
  #parent;
  #parts;

  /**
   * @param {Element} parent
   * @param {{ key: (item: Item) => string, make: (item: Item) => Made, update: (made: Made, item: Item) => void }} parts
   */
  constructor(parent, parts) {
    this.#parent = parent;
    this.#parts = parts;
  }

  /** @param {readonly Item[]} items */
  show(items) {
    const { key, make, update } = this.#parts;
    const before = this.#made;
    this.#made = new Map();
    for (const item of items) {
      const made = before.get(key(item)) ?? make(item);
      update(made, item);
      this.#made.set(key(item), made);
    }
    for (const [id, made] of before) if (this.#made.get(id) !== made) made.remove();
    let at = this.#parent.firstElementChild;
    for (const made of this.#made.values()) {
      if (made === at) at = at.nextElementSibling;
      else this.#parent.insertBefore(made, at);
    }
  }
}

/** @param {readonly Child[]} children */
function given(children) {
  return children.filter((child) => child !== false && child !== undefined);
}
