/** Rows are found by their subject's key, whatever is entered and struck, and in whatever order its scopes are written. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds } from '../../../../test/support/seeds.js';
import type { Scope } from '../../src/model.js';
import { Directory } from '../../src/store/directory.js';
import type { Subject } from '../../src/store/store.js';
import { subjectKey } from '../../src/store/subject.js';
import { subject } from '../support/fixtures.js';

const words = fc.constantFrom('', 'a', 'b', '1:a', 'constructor', '__proto__');
const subjects = fc
  .tuple(words, words, words)
  .map(([identity, model, address]) => subject(identity, { model, address, run: model }));
const scopeLists: fc.Arbitrary<readonly Scope[]> = fc.constantFrom<Scope[]>(
  ['identity'],
  ['all'],
  ['model', 'identity'],
  ['identity', 'address', 'model'],
  ['run', 'tier'],
);
const actions = fc.array(fc.tuple(fc.boolean(), subjects), { maxLength: 60 });

describe('a directory', () => {
  test('answers as one map by whole keys would', () =>
    holds(
      fc.property(scopeLists, actions, (per, history) => {
        const directory = new Directory(per);
        const rows = new Map<string, number>();
        let places = 0;
        const look = (who: Subject) => expect(directory.find(who)).toBe(rows.get(subjectKey(per, who)) ?? -1);
        for (const [enters, who] of history) {
          const key = subjectKey(per, who);
          const row = rows.get(key);
          if (enters && row === undefined) {
            directory.enter(places, who);
            rows.set(key, places++);
          } else if (!enters && row !== undefined) {
            directory.strike(row);
            rows.delete(key);
          }
          look(who);
        }
        for (const [, who] of history) look(who);
        expect(directory.size).toBe(rows.size);
        for (let row = 0; row < places; row++) expect(directory.has(row)).toBe([...rows.values()].includes(row));
      }),
    ));

  test('keeps nothing of the values of outer scopes whose last row was struck', () => {
    const directory = new Directory(['identity', 'model']);
    for (let i = 0; i < 1_000; i++) {
      directory.enter(0, subject('ann', { model: `m${i}` }));
      directory.enter(1, subject('bob', { model: `m${i}` }));
      expect(directory.shelves).toBe(1);
      directory.strike(0);
      expect(directory.shelves).toBe(1);
      directory.strike(1);
    }
    expect(directory.shelves).toBe(0);
  });

  test('keeps what stands beside a row that was struck, however many scopes there are', () => {
    const directory = new Directory(['identity', 'address', 'model']);
    const [here, there] = ['here', 'there'].map((address) => subject('ann', { model: 'm', address }));
    directory.enter(0, here!);
    directory.enter(1, there!);
    directory.strike(0);
    expect([directory.find(here!), directory.find(there!), directory.shelves]).toEqual([-1, 1, 1]);
    directory.strike(1);
    expect([directory.find(there!), directory.shelves]).toEqual([-1, 0]);
  });
});
