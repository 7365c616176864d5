import { expect, test } from 'vitest';
import { bodyTooLarge } from '../../src/refusal.js';

test.each([
  [20 * 2 ** 20, '20 MiB'],
  [1.5 * 2 ** 20, '1536 KiB'],
  [2 ** 19, '512 KiB'],
  [1.5e9, '1500 MB'],
  [64_000, '64 KB'],
  [1_234, '1234 bytes'],
])('a body over %i bytes is told how long it may be: %s', (bytesMax, words) => {
  const message = `request body too large (max ${words})`;
  expect(bodyTooLarge(bytesMax)).toEqual({ reason: 'too-large', status: 413, message });
});
