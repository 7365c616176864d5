import { expect, test } from 'vitest';
import { bindBody, foldName } from '../../src/fields.js';

const FIELDS = {
  model: 'string',
  stream: 'bool',
  keep: 'any',
  count: 'int',
  rate: 'float',
  options: 'map',
  messages: [{ role: 'string', content: 'string' }],
  nested: { on: 'bool' },
} as const;
const bind = (text: string) => bindBody(Buffer.from(text), 'ChatRequest', FIELDS, 'missing request body');

test('matches names in any case, with Unicode folding', () => {
  expect(bind('{"MODEL":"x","ſtream":false,"\u212aeep":1}')).toEqual({ model: 'x', stream: false, keep: 1 });
  expect(foldName('messages')).not.toBe(foldName('meßages'));
});

test('the last duplicate wins, across cases', () => {
  expect(bind('{"model":"a","Model":"b"}').model).toBe('b');
  expect(bind('{"model":"a","Model":"b","model":"c"}').model).toBe('c');
});

test('duplicate maps and structs are merged, lists replaced', () => {
  expect(bind('{"options":{"a":1,"b":1},"OPTIONS":{"b":2}}').options).toEqual({ a: 1, b: 2 });
  expect(bind('{"messages":[{"role":"a"},{"role":"b"}],"messages":[{"role":"c"}]}').messages).toEqual([{ role: 'c' }]);
  expect(bind('{"nested":{"on":true},"Nested":{}}').nested).toEqual({ on: true });
});

test('names inside a map stay case-sensitive', () => {
  expect(bind('{"options":{"NUM_PREDICT":9}}').options).toEqual({ NUM_PREDICT: 9 });
});

test('unknown fields and null are as if absent', () => {
  expect(bind('{"nope":1,"model":null,"stream":null}')).toEqual({});
  expect(bind('null')).toEqual({});
});

test.each([
  ['{"stream":"yes"}', 'json: cannot unmarshal string into Go struct field ChatRequest.stream of type bool'],
  ['{"model":7}', 'json: cannot unmarshal number into Go struct field ChatRequest.model of type string'],
  ['{"count":1.5}', 'json: cannot unmarshal number 1.5 into Go struct field ChatRequest.count of type int'],
  [
    '{"options":[]}',
    'json: cannot unmarshal array into Go struct field ChatRequest.options of type map[string]interface {}',
  ],
  [
    '{"messages":[{"role":true}]}',
    'json: cannot unmarshal bool into Go struct field ChatRequest.messages.role of type string',
  ],
  ['[]', 'json: cannot unmarshal array into Go value of type ChatRequest'],
  ['', 'missing request body'],
])('refuses %s with the text of Go', (text, message) => {
  expect(() => bind(text)).toThrow(message);
});

test('reports the first of several type errors', () => {
  expect(() => bind('{"stream":1,"model":2}')).toThrow('ChatRequest.stream');
});
