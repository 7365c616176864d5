/**
 * Notices that a file has changed, also when another was moved into its place or a link on the way to it points elsewhere:
 * it looks at what is there under the name, again and again. Notices of the system are about one file, are lost on several
 * file systems, and come while a file is still being written.
 */
import { stat } from 'node:fs/promises';

/** A change is told when it was seen twice, so within twice this time. */
const lookEveryMs = 500;

export class WatchedFile {
  readonly #file: string;
  /** What was there when the file was last read. */
  #read: string;
  #timer: NodeJS.Timeout | undefined;

  private constructor(file: string, seen: string) {
    this.#file = file;
    this.#read = seen;
  }

  /** To be made before the file is read, so that no change in between is missed. */
  static async of(file: string): Promise<WatchedFile> {
    return new WatchedFile(file, await looksOf(file));
  }

  /** @param onChange told of each change, once the file has stopped changing; also when it is gone */
  watch(onChange: () => void): void {
    let before = this.#read;
    const look = async (): Promise<void> => {
      const seen = await looksOf(this.#file);
      if (seen === before && seen !== this.#read) {
        this.#read = seen;
        onChange();
      }
      before = seen;
      if (this.#timer !== undefined) this.#timer = setTimeout(look, lookEveryMs).unref();
    };
    this.#timer = setTimeout(look, lookEveryMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Changes with the content: another file has another number, and a write another time. */
async function looksOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(file);
    return [ino, size, mtimeMs, ctimeMs].join();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
