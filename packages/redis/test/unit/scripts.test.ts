/** The Lua files as they are published. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { inlined } from '../../scripts/inline-lua.mjs';
import * as scripts from '../../src/scripts.js';

describe('the scripts', () => {
  test('are those of the Lua files; `node packages/redis/scripts/inline-lua.mjs` writes them anew', () => {
    expect(readFileSync(fileURLToPath(new URL('../../src/scripts.ts', import.meta.url)), 'utf8')).toBe(inlined());
  });

  test('name their keys and nothing else: no key is made up in Lua', () => {
    for (const { source } of Object.values(scripts)) {
      const keys = [...source.matchAll(/\bcall\('(\w+)', (\S+?)[,)]/g)].map(([, command, key]) => [command, key]);
      expect(keys.length).toBeGreaterThan(0);
      for (const [, key] of keys) expect(['key', 'KEYS[1]', 'KEYS[2]', 'KEYS[g]']).toContain(key);
    }
  });
});
