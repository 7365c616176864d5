/**
 * What a key is looked up by. Neither keys are compared, nor their digests as they are: a key is looked up by a digest of its
 * digest behind a secret of this process, so how long a look-up takes says nothing that could be made use of. Unknown,
 * malformed and almost right keys take the same steps as right ones, and nothing is kept of any: a flood of them takes no
 * memory. Price: two digests a request, two or three microseconds.
 */
import { secretHex } from '../kernel/random.js';
import { sha256Hex } from '../kernel/sha256.js';

export interface KeyPrint {
  /** Of the key. */
  readonly sha256: string;
  /** What it is looked up by. */
  readonly index: string;
}

/** A key that is longer is none, and is cut before it is digested. */
const keyLengthMax = 1_024;

export class KeyPrints {
  readonly #secret = secretHex();

  of(key: string): KeyPrint {
    const sha256 = sha256Hex(key.length > keyLengthMax ? `${key.slice(0, keyLengthMax)}…` : key);
    return { sha256, index: this.index(sha256) };
  }

  /** What a key of this digest is looked up by. */
  index(sha256: string): string {
    return sha256Hex(this.#secret + sha256);
  }
}
