import { expect, test } from 'vitest';
import { sha256Hex } from '../../../src/kernel/sha256.js';

async function byRuntime(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

test('is what the standard gives as examples', () => {
  expect(sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('is what the runtime computes, for every length around its blocks and for more than ASCII', async () => {
  for (let length = 0; length <= 200; length++) {
    const text = Array.from({ length }, (_, i) => String.fromCharCode(33 + ((i * 7 + length) % 90))).join('');
    expect(sha256Hex(text)).toBe(await byRuntime(text));
  }
  for (const text of ['ключ', '鍵'.repeat(100), '🔑', '\ud800', 'a'.repeat(100_000)]) {
    expect(sha256Hex(text)).toBe(await byRuntime(text));
  }
});
