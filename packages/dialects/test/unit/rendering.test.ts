import { isRefusal } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { ollamaDialect } from '../../src/index.js';
import { ask, readingOf, smallest } from './asking.js';

const asked = '_debug_render_only';

describe.each(Object.keys(smallest))('%s: the prompt as the model would see it', (path) => {
  test('is not given away: the system prompt and the template of the model are in it', () => {
    expect(ask(path, { ...smallest[path], [asked]: true })).toMatchObject({
      reason: 'forbidden',
      status: 403,
      message: expect.stringContaining(asked),
    });
  });

  test('is the business of whoever manages the models', () => {
    const reading = readingOf(path, { ...smallest[path], [asked]: true }, { admin: 'allow' });
    expect(reading.operation).toBe('admin');
    expect(JSON.parse(reading.forward(undefined))).toMatchObject({ [asked]: true });
  });

  test('is not asked for by false or null', () => {
    for (const value of [false, null]) {
      expect(readingOf(path, { ...smallest[path], [asked]: value }).operation).not.toBe('admin');
    }
  });

  test.each(['_DEBUG_RENDER_ONLY', '_Debug_Render_Only', '_debug_render_onlY'])('does not hide behind %s', (alike) => {
    expect(ask(path, { ...smallest[path], [alike]: true })).toMatchObject({ status: 400 });
  });

  test('is asked for by a boolean, and nothing else is taken for one', () => {
    for (const value of ['true', 1, [true]]) {
      expect(ask(path, { ...smallest[path], [asked]: value })).toMatchObject({ status: 400 });
    }
  });
});

test('a prompt that was rendered and not answered is whole, and costs no tokens', () => {
  const route = ollamaDialect.route('POST', '/api/chat');
  if (route === undefined || isRefusal(route)) throw new Error('no route');
  const reading = readingOf('/api/chat', { ...smallest['/api/chat'], [asked]: true }, { admin: 'allow' });
  const meter = ollamaDialect.meter(route, { status: 200, contentType: 'application/json; charset=utf-8' }, reading);
  const answer = { model: 'm', done: false, _debug_info: { rendered_template: '<|system|>be brief<|user|>hi' } };
  meter.push(new TextEncoder().encode(JSON.stringify(answer)));
  expect(meter.end().complete).toBe(true);
  expect(meter.usage).toEqual({ inputTokens: 0, outputTokens: 0 });
});
