import { expect, test } from 'vitest';
import { type AnswerWish, planAnswer } from '../../src/answer.js';
import { instanceOf, toolCallFor } from '../../src/instances.js';

const wish = (changes: Partial<AnswerWish> = {}): AnswerWish => ({
  seed: 'seed',
  natural: 18,
  cap: 1000,
  thinking: false,
  toolCall: undefined,
  fixedText: undefined,
  stop: [],
  ...changes,
});

function collect(changes: Partial<AnswerWish> = {}) {
  const plan = planAnswer(wish(changes));
  const pieces = [...plan.pieces];
  return {
    tokens: pieces.reduce((sum, piece) => sum + piece.tokens, 0),
    content: pieces.map((piece) => piece.content ?? '').join(''),
    thinking: pieces.map((piece) => piece.thinking ?? '').join(''),
    toolCalls: pieces.flatMap((piece) => piece.toolCall ?? []),
    reason: plan.reason,
  };
}

test('the same request gets the same words, another seed others', () => {
  expect(collect()).toEqual(collect());
  expect(collect().content).not.toBe(collect({ seed: 'other' }).content);
  expect(collect().content).toMatch(/^[A-Z][a-z]*( [a-z]+){17}\.$/);
});

test('a limit shortens the answer and says so; a limit of the exact length does not', () => {
  expect(collect({ cap: 5 })).toMatchObject({ tokens: 5, reason: 'length' });
  expect(collect({ cap: 18 })).toMatchObject({ tokens: 18, reason: 'stop' });
  expect(collect({ cap: 0 })).toMatchObject({ tokens: 0, reason: 'length' });
});

test('thinking is part of the length', () => {
  const answer = collect({ thinking: true });
  expect([answer.tokens, answer.thinking.split(' ').length, answer.content.split(' ').length]).toEqual([18, 6, 12]);
});

test('a tool call comes whole or not at all', () => {
  const toolCall = { name: 'weather', arguments: { city: 'text' } };
  expect(collect({ toolCall })).toMatchObject({ tokens: 8, toolCalls: [{ name: 'weather' }], reason: 'stop' });
  expect(collect({ toolCall, cap: 7 })).toMatchObject({ tokens: 7, toolCalls: [], reason: 'length' });
});

test('a stop sequence ends the answer before it', () => {
  const words = collect().content.split(' ');
  const answer = collect({ stop: [` ${words[4]}`] });
  expect(answer).toMatchObject({ content: words.slice(0, 4).join(' '), reason: 'stop' });
});

test('a tool is called only when the question asks for it', () => {
  const tools = [
    { function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } },
  ];
  expect(toolCallFor(tools, 'use the tool')).toEqual({ name: 'weather', arguments: { city: 'text' } });
  expect(toolCallFor(tools, 'hello')).toBeUndefined();
  expect(toolCallFor(tools, 'toolbox')).toBeUndefined();
  expect(toolCallFor([], 'use the tool')).toBeUndefined();
});

test('a schema gets an instance', () => {
  const schema = {
    type: 'object',
    required: ['a', 'b', 'c'],
    properties: {
      a: { type: 'integer' },
      b: { enum: ['x', 'y'] },
      c: { type: 'array', items: { type: 'boolean' } },
      optional: { type: 'string' },
    },
  };
  expect(instanceOf(schema)).toEqual({ a: 42, b: 'x', c: [true] });
});
