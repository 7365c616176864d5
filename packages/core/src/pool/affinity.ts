/**
 * Which backend has already read the beginning of a prompt. A conversation grows at its end, so its next request shares all
 * of its blocks but the last ones with the one before; a backend that still holds them in its prompt cache starts sooner.
 *
 *   block k of the text   (512 characters)
 *   h(k) = mix(h(k-1), block k),  h(0) = the model         so h(k) stands for the whole text up to block k
 *
 * A backend's real cache cannot be seen. In its place stands a shadow: the hashes of what we sent there, forgotten in the
 * order in which a cache of that size would forget them. An unbounded shadow would go on claiming what the backend has
 * dropped long ago. A hash of 32 bits that collides costs a worse choice, nothing else.
 */
import type { Prefix } from '../wish.js';

/** A text shorter than a block is read faster than it is looked up. */
const blockChars = 512;
const blocksMax = 256;

export const noPrefix: Prefix = { hashes: [], chars: 0 };

/** Hashes the texts as if they were one. Looks at no more than the first 128 Ki characters. */
export function prefixOf(model: string, texts: readonly string[]): Prefix {
  let chars = texts.length - 1;
  for (const text of texts) chars += text.length;
  if (chars < blockChars) return noPrefix;
  const hashes: number[] = [];
  let hash = 0x811c9dc5;
  for (let at = 0; at < model.length; at++) hash = step(hash, model.charCodeAt(at));
  let inBlock = 0;
  for (const text of texts) {
    // One more than the text has, so that where a text ends counts too.
    for (let at = 0; at <= text.length; at++) {
      hash = step(hash, at < text.length ? text.charCodeAt(at) : 0xffff);
      if (++inBlock < blockChars) continue;
      inBlock = 0;
      hash = finished(hash);
      hashes.push(hash);
      if (hashes.length === blocksMax) return { hashes, chars };
    }
  }
  return { hashes, chars };
}

/** FNV-1a on UTF-16 units. */
function step(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

/** The end of MurmurHash3, which spreads the last units over all bits. */
function finished(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Share of the prompt, 0 to 1, that so many of its blocks are. */
export function shareOf(prefix: Prefix, blocks: number): number {
  return blocks === 0 ? 0 : Math.min(1, (blocks * blockChars) / prefix.chars);
}

/** Blocks that a context of so many tokens holds, at four characters a token. */
export function blocksOf(contextTokens: number): number {
  return Math.max(1, Math.ceil((contextTokens * 4) / blockChars));
}

/** What one backend is taken to hold of one model's prompts; the least recently used blocks are forgotten first. */
export class ShadowCache {
  readonly #blocks = new Set<number>();
  #blocksMax: number;

  constructor(blocksMax: number) {
    this.#blocksMax = blocksMax;
  }

  get size(): number {
    return this.#blocks.size;
  }

  resize(blocksMax: number): void {
    this.#blocksMax = blocksMax;
    this.#trim();
  }

  clear(): void {
    this.#blocks.clear();
  }

  /** Blocks, from the first on, that are still there. */
  match({ hashes }: Prefix): number {
    let count = 0;
    while (count < hashes.length && this.#blocks.has(hashes[count]!)) count++;
    return count;
  }

  /** Called when the prompt is sent. Later blocks are the older ones, so that a chain is forgotten from its end. */
  add({ hashes }: Prefix): void {
    for (let at = hashes.length - 1; at >= 0; at--) {
      const hash = hashes[at]!;
      this.#blocks.delete(hash);
      this.#blocks.add(hash);
    }
    this.#trim();
  }

  #trim(): void {
    for (const oldest of this.#blocks) {
      if (this.#blocks.size <= this.#blocksMax) return;
      this.#blocks.delete(oldest);
    }
  }
}
