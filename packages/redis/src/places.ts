/** Where the rows of a set live, each server of which may be gone while the others are well; and how they are looked at. */
import type { Subject } from '@headgate/core';
import { type Seen, seenIn } from './charging.js';
import type { Link } from './link.js';
import type { Part, RedisSet } from './receipt.js';
import { peek, probe } from './scripts.js';

/** The servers that hold the rows; the same for all where there is one. */
export function placeOf(link: Link, { parts }: RedisSet, subject: Subject): string {
  if (!link.isCluster) return '';
  const keys = parts.map(({ groups }) => groups[0]!.table.key(subject));
  return [...new Set(keys.map((key) => link.serverOf(key)))].sort().join();
}

/** Rejects unless all of them take what is written. */
export async function probePlaces(link: Link, prefix: string, { parts }: RedisSet, subject: Subject): Promise<void> {
  const tags = parts.map(({ groups }) => groups[0]!.table.tag(subject));
  await Promise.all(tags.map((tag) => link.run(probe, [`${prefix}:{${tag}}:probe`], [])));
}

/** The rows of a part as they are. */
export async function readRows(link: Link, { groups }: Part, subject: Subject): Promise<Seen> {
  const keys = groups.map(({ table }) => table.key(subject));
  const [answer] = await link.run(peek, keys, []);
  return seenIn(answer!, groups.length);
}
