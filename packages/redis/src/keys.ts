/** What rows are called in Redis. See the table of keys in docs/stores/redis.md. */
import { createHash } from 'node:crypto';
import type { Scope, Subject } from '@headgate/core';
import { subjectKey } from '@headgate/core/store';

/** Names longer than this are hashed: a key costs every command that names it. */
const nameLengthMax = 160;

/** Narrowest first: what is charged first when rows do not live on one server. */
export const anchors = ['identity', 'address', 'model', 'tier', 'all'] as const;
export type Anchor = (typeof anchors)[number];

/** The scope that says where a row lives. Rows with the same value of it live together. */
export function anchorOf(per: readonly Scope[]): Anchor {
  if (per.includes('run')) return 'identity';
  return anchors.find((scope) => per.includes(scope)) ?? 'all';
}

/** `%`, the braces that mean something to a Cluster, and halves of characters, which would all be written alike. */
const special = /[%{}]|\p{Surrogate}/gu;
const isSpecial = /[%{}]|\p{Surrogate}/u;

/** A part of a key that no other name is written as. */
export function encoded(name: string): string {
  if (name.length > nameLengthMax) return `%sha256:${createHash('sha256').update(name, 'utf16le').digest('hex')}`;
  // Nothing between the braces would mean nothing to a Cluster.
  if (name === '') return '%';
  if (!isSpecial.test(name)) return name;
  return name.replace(special, (part) => `%${part.charCodeAt(0).toString(16)}`);
}

/** Rows with the same tag live in one slot of a Cluster. */
export function tagOf(anchor: Anchor, subject: Subject): string {
  return anchor === 'all' ? 'all' : encoded(subject[anchor]);
}

/** Names the rows of one table: its scopes and, where it is a tier's own, the tier. */
export function tableName(per: readonly Scope[], tier: string | undefined): string {
  const scopes = [...per].sort().join('+');
  return tier === undefined ? scopes : `${scopes}@${encoded(tier).replaceAll(':', '%3a')}`;
}

/** `prefix:{tag}:table`, and behind it what tells the row from others with the same tag. */
export function rowKey(prefix: string, table: string, per: readonly Scope[], subject: Subject): string {
  const anchor = anchorOf(per);
  const key = `${prefix}:{${tagOf(anchor, subject)}}:${table}`;
  return per.length === 1 && per[0] !== 'run' ? key : `${key}:${encoded(subjectKey(per, subject))}`;
}

/** What is between the braces of a key. */
export function tagIn(key: string): string {
  return key.slice(key.indexOf('{') + 1, key.indexOf('}'));
}
