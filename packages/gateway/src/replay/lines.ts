/** The lines of a file, packed or not, read as a stream: no more than a part of it is ever held. */
import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { HeadgateError } from '@headgate/core';

/** @param onProgress told the share of the file that was read, 0 to 1, a hundred times at the most */
export async function* linesOf(file: string, onProgress: (share: number) => void): AsyncGenerator<string> {
  const size = sizeOf(file);
  const raw = createReadStream(file, { highWaterMark: 256 * 1024 });
  let read = 0;
  let told = 0;
  raw.on('data', (chunk) => {
    read += chunk.length;
    const share = size === 0 ? 1 : read / size;
    if (share - told < 0.01 && share < 1) return;
    told = share;
    onProgress(share);
  });
  const input = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  // An error of the file is one of the stream that is read.
  raw.on('error', (error) => input.destroy(error));
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new HeadgateError('HG_LOG_FILE', `${file}: cannot be read to its end (${code})`, { cause: error });
  } finally {
    raw.destroy();
  }
}

function sizeOf(file: string): number {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw Object.assign(new Error('no file'), { code: stat.isDirectory() ? 'EISDIR' : 'no file' });
    return stat.size;
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    const why = { ENOENT: 'there is no such file', EISDIR: 'it is a directory; name the file in it' }[code] ?? code;
    throw new HeadgateError('HG_LOG_FILE', `${file}: ${why}`);
  }
}
