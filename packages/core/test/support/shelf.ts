/** Lessons of several processes, kept in this one: what the port asks for, in the plainest way. */
import type { LessonBytes, LessonChanges, LessonNews } from '../../src/store/store.js';

const pieceMax = 32;
const namesMax = 4_096;

export class Shelf {
  /** In the order of their last change. */
  readonly #kept = new Map<string, { bytes: Uint8Array; mark: number }>();
  #mark = 0;

  exchange(news: readonly LessonNews[], after: number): LessonChanges {
    const since = after > this.#mark ? 0 : after;
    const changed = [...this.#kept].filter(([, { mark }]) => mark > since);
    const piece = changed.slice(0, pieceMax);
    const more = changed.length > pieceMax;
    const upTo = piece.at(-1)?.[1].mark ?? since;
    for (const { name, bytes, bytesMax } of news) {
      const all = [...(this.#kept.get(name)?.bytes ?? []), ...bytes];
      this.put(name, Uint8Array.from(all.slice(-bytesMax)));
    }
    const lessons = piece.map(([name]): LessonBytes => ({ name, bytes: this.#kept.get(name)!.bytes }));
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= namesMax) break;
      this.#kept.delete(name);
    }
    return { lessons, mark: more ? upTo : this.#mark, more };
  }

  put(name: string, bytes: Uint8Array): void {
    this.#kept.delete(name);
    this.#kept.set(name, { bytes, mark: ++this.#mark });
  }

  get(name: string): Uint8Array | undefined {
    return this.#kept.get(name)?.bytes;
  }

  get names(): readonly string[] {
    return [...this.#kept.keys()];
  }
}
