import { expect, test } from 'vitest';
import { pathOf } from '../../../src/http/target.js';

test('a target with a control character in it, however it is written, has no path', () => {
  for (const end of ['%01', '%09', '%0a', '%0D', '%1f', '%7f', '\x1f', '\x7f']) {
    expect(pathOf(`/api/chat${end}`), JSON.stringify(end)).toBeUndefined();
  }
  expect([pathOf('/api/chat%20'), pathOf('/api/chat%7e'), pathOf('/api/chat%C3%A9')]).toEqual([
    '/api/chat ',
    '/api/chat~',
    '/api/chaté',
  ]);
});
