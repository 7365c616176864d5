/** What processes tell each other of what answers taught them: one hash for all of a prefix, of which Redis knows only the names. */
import type { Store } from '@headgate/core';
import type { Link } from './link.js';
import { exchange } from './scripts.js';

/** Lessons heard at once: so few that no decision on the same connection, or in the same process, waits for them. */
const pieceMax = 32;
/** Lessons kept in Redis. */
const namesMax = 4_096;
/** How long they are kept after the last word, ms. */
const keptMs = 7 * 86_400_000;

/** @param prefix of those who tell each other */
export function lessonExchange(link: Link, prefix: string): NonNullable<Store['exchange']> {
  const keys = [`${prefix}:{lessons}:lessons`, `${prefix}:{lessons}:lessons-changed`];
  return async (news, after) => {
    const numbers = [after, pieceMax, namesMax, keptMs, ...news.map(({ bytesMax }) => bytesMax)];
    const words = news.flatMap(({ name, bytes }) => [name, Buffer.from(bytes)]);
    const [head, ...told] = await link.run(exchange, keys, numbers, words);
    const lessons = Array.from({ length: told.length / 2 }, (_, i) => ({
      name: told[2 * i]!.toString(),
      bytes: told[2 * i + 1]!,
    }));
    return { lessons, mark: head!.readDoubleLE(16), more: head!.readDoubleLE(24) === 1 };
  };
}
