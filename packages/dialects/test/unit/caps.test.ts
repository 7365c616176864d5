import { isRefusal, type JsonObject } from '@headgate/core';
import { describe, expect, test } from 'vitest';
import { ask, forwarded, readingOf, smallest } from './asking.js';

const spellings = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'num_predict', 'n_predict'];
const openai = ['/v1/chat/completions', '/v1/completions'];
const native = ['/api/generate', '/api/chat'];

/** The cap where the backend of each path reads it. */
function obeyed(path: string, body: JsonObject): unknown {
  if (path.startsWith('/api/')) return (body.options as JsonObject | undefined)?.num_predict;
  return body[path === '/v1/responses' ? 'max_output_tokens' : 'max_tokens'];
}

describe('every spelling of a cap counts, and the largest holds', () => {
  test.each(Object.keys(smallest).filter((path) => path !== '/v1/messages'))('%s', (path) => {
    const base = smallest[path]!;
    expect(readingOf(path, base).outputTokensMax).toBeUndefined();
    for (const name of spellings) {
      expect(readingOf(path, { ...base, [name]: 50 }).outputTokensMax).toBe(50);
      for (const other of spellings.filter((candidate) => candidate !== name)) {
        expect(readingOf(path, { ...base, [name]: 50, [other]: 900 }).outputTokensMax).toBe(900);
        expect(readingOf(path, { ...base, [name]: 50, [other]: 0 }).outputTokensMax).toBeUndefined();
        expect(readingOf(path, { ...base, [name]: -1, [other]: 50 }).outputTokensMax).toBeUndefined();
        expect(readingOf(path, { ...base, [name]: null, [other]: 50 }).outputTokensMax).toBe(50);
      }
    }
  });

  test('beside max_tokens of the Anthropic dialect, too', () => {
    const body = { ...smallest['/v1/messages'], max_tokens: 10, max_completion_tokens: 500 };
    expect(readingOf('/v1/messages', body).outputTokensMax).toBe(500);
    expect(forwarded('/v1/messages', body, 100)).toMatchObject({ max_tokens: 10, max_completion_tokens: 100 });
  });

  test.each(native)('%s: in the options and beside them', (path) => {
    const base = smallest[path]!;
    expect(readingOf(path, { ...base, options: { num_predict: 7 } }).outputTokensMax).toBe(7);
    expect(readingOf(path, { ...base, options: { num_predict: 7 }, max_tokens: 70 }).outputTokensMax).toBe(70);
    expect(readingOf(path, { ...base, options: { num_predict: -2 }, max_tokens: 70 }).outputTokensMax).toBeUndefined();
  });
});

describe('a cap of the wrong type is 400', () => {
  const wrong = ['100', '', 1.5, true, [], [5], {}, 1e300, -0.5, 2 ** 53];

  test.each(Object.keys(smallest))('%s', (path) => {
    for (const name of [...spellings, ...(openai.includes(path) ? ['n', 'best_of', 'n_cmpl'] : [])]) {
      for (const value of wrong) {
        expect(ask(path, { ...smallest[path], [name]: value }), `${name}: ${JSON.stringify(value)}`).toMatchObject({
          status: 400,
        });
      }
    }
  });

  test.each(native)('%s: in the options', (path) => {
    for (const value of wrong) {
      expect(ask(path, { ...smallest[path], options: { num_predict: value } })).toMatchObject({ status: 400 });
    }
    for (const options of ['x', 5, [], true])
      expect(ask(path, { ...smallest[path], options })).toMatchObject({ status: 400 });
  });

  test('Anthropic wants one, and a positive one', () => {
    for (const max_tokens of [undefined, null, 0, -5]) {
      const { max_tokens: _, ...body } = smallest['/v1/messages']!;
      expect(ask('/v1/messages', { ...body, ...(max_tokens !== undefined && { max_tokens }) })).toMatchObject({
        status: 400,
        message: 'max_tokens is required and must be positive',
      });
    }
  });
});

describe('several answers to one request', () => {
  test.each(openai)('%s: n, best_of and n_cmpl multiply', (path) => {
    for (const name of ['n', 'best_of', 'n_cmpl']) {
      const reading = readingOf(path, { ...smallest[path], max_tokens: 100, [name]: 3 });
      expect(reading).toMatchObject({ choices: 3, outputTokensMax: 300 });
      expect(readingOf(path, { ...smallest[path], [name]: 3 })).not.toHaveProperty('outputTokensMax');
    }
    expect(readingOf(path, { ...smallest[path], n: 2, best_of: 5 }).choices).toBe(5);
    for (const n of [0, -1, 129]) expect(ask(path, { ...smallest[path], n })).toMatchObject({ status: 400 });
  });

  test('prompts of one completion multiply as well', () => {
    const reading = readingOf('/v1/completions', { model: 'm', prompt: ['a', 'b', 'c'], max_tokens: 10, n: 2 });
    expect(reading).toMatchObject({ choices: 6, outputTokensMax: 60, texts: ['a', 'b', 'c'] });
    expect(JSON.parse(reading.forward(30)).max_tokens).toBe(5);
  });

  test('the granted cap is divided between them, and never below one', () => {
    const body = { ...smallest['/v1/chat/completions'], n: 3 };
    expect(forwarded('/v1/chat/completions', body, 100).max_tokens).toBe(33);
    expect(forwarded('/v1/chat/completions', body, 2).max_tokens).toBe(1);
    expect(forwarded('/v1/chat/completions', { ...body, max_tokens: 20 }, 100).max_tokens).toBe(20);
  });
});

describe('the cap that is forwarded', () => {
  test.each(Object.keys(smallest))(
    '%s: is the smaller of the declared and the granted, where the backend obeys it',
    (path) => {
      const { max_tokens: _, ...plain } = smallest[path]!;
      const own = path.startsWith('/api/')
        ? { options: { num_predict: 50 } }
        : { [path === '/v1/responses' ? 'max_output_tokens' : 'max_tokens']: 50 };
      expect(obeyed(path, forwarded(path, { ...plain, ...own }))).toBe(50);
      expect(obeyed(path, forwarded(path, { ...plain, ...own }, 80))).toBe(50);
      expect(obeyed(path, forwarded(path, { ...plain, ...own }, 20))).toBe(20);
      expect(obeyed(path, forwarded(path, { ...plain, ...own }, 20.9))).toBe(20);
      expect(obeyed(path, forwarded(path, { ...plain, ...own }, 0))).toBe(1);
      if (path !== '/v1/messages') expect(obeyed(path, forwarded(path, plain, 20))).toBe(20);
    },
  );

  test.each(native)('%s: 0 and negatives, which mean no end, give way to a cap or go', (path) => {
    for (const num_predict of [0, -1, -2]) {
      const body = { ...smallest[path], options: { num_predict, temperature: 0 } };
      expect(forwarded(path, body).options).toEqual({ temperature: 0 });
      expect(forwarded(path, body, 9).options).toEqual({ num_predict: 9, temperature: 0 });
    }
  });

  test.each(openai)('%s: every spelling is lowered, and the one that is obeyed is always there', (path) => {
    const body = { ...smallest[path], max_completion_tokens: 500, n_predict: 0 };
    expect(forwarded(path, body, 90)).toMatchObject({ max_tokens: 90, max_completion_tokens: 90, n_predict: 90 });
    expect(forwarded(path, { ...smallest[path], max_completion_tokens: 500 })).toMatchObject({
      max_tokens: 500,
      max_completion_tokens: 500,
    });
    expect(forwarded(path, { ...smallest[path], max_tokens: 0 })).not.toHaveProperty('max_tokens');
  });

  test('embeddings have none', () => {
    expect(forwarded('/api/embed', { model: 'm', input: 'a' }, 5)).toEqual({ model: 'm', input: 'a' });
    expect(forwarded('/v1/embeddings', { model: 'm', input: 'a' }, 5)).toEqual({ model: 'm', input: 'a' });
  });

  test('what a pinned num_predict says is the cap that counts', () => {
    const rules = { options: { num_predict: 64 } };
    const body = { ...smallest['/api/chat'], options: { num_predict: 4_000 } };
    expect(readingOf('/api/chat', body, rules).outputTokensMax).toBe(64);
    expect(forwarded('/api/chat', body, 1_000, rules).options).toEqual({ num_predict: 64 });
  });
});

test('no combination of fields declares less than the backend may produce', () => {
  const values = [undefined, null, 5, 70, 0, -1];
  for (const path of [...openai, ...native]) {
    for (const first of values) {
      for (const second of values) {
        for (const third of values) {
          const body: JsonObject = { ...smallest[path] };
          if (first !== undefined) body.max_tokens = first;
          if (second !== undefined) body.max_completion_tokens = second;
          if (third !== undefined) body.options = { num_predict: third };
          const reading = ask(path, body);
          if (isRefusal(reading)) throw new Error(reading.message);
          const sent = obeyed(path, JSON.parse(reading.forward()) as JsonObject);
          const produced = typeof sent === 'number' && sent > 0 ? sent : Number.POSITIVE_INFINITY;
          expect(reading.outputTokensMax ?? Number.POSITIVE_INFINITY, JSON.stringify(body)).toBeGreaterThanOrEqual(
            produced,
          );
          const capped = obeyed(path, JSON.parse(reading.forward(40)) as JsonObject) as number;
          expect(capped > 0 && capped <= 40, JSON.stringify(body)).toBe(true);
        }
      }
    }
  }
});
