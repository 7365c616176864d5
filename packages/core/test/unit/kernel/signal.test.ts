import { describe, expect, test, vi } from 'vitest';
import { Departure, EitherSignal, eitherAbortSignal } from '../../../src/kernel/signal.js';

describe('a departure', () => {
  test('tells everyone once, with the first reason', () => {
    const departure = new Departure();
    const told: string[] = [];
    departure.addEventListener('abort', () => told.push('one'));
    const taken = (): void => void told.push('taken off');
    departure.addEventListener('abort', taken);
    departure.addEventListener('abort', () => told.push('two'));
    departure.removeEventListener('abort', taken);
    departure.throwIfAborted();
    departure.abort('first');
    departure.abort('second');
    expect([told, departure.aborted, departure.reason]).toEqual([['one', 'two'], true, 'first']);
    expect(() => departure.throwIfAborted()).toThrow('first');
  });

  test('may be taken off by a listener of it', () => {
    const departure = new Departure();
    const told: string[] = [];
    const second = (): void => void told.push('second');
    departure.addEventListener('abort', () => departure.removeEventListener('abort', second));
    departure.addEventListener('abort', second);
    departure.abort('gone');
    expect(told).toEqual(['second']);
  });
});

test.each([
  ['our own', (first: AbortSignal, second: AbortSignal) => new EitherSignal(first, second)],
  ["the runtime's", eitherAbortSignal],
])('one of two signals is enough, with its reason: %s', (_name, either) => {
  for (const at of [0, 1]) {
    const both = [new AbortController(), new AbortController()];
    const signal = either(both[0]!.signal, both[1]!.signal);
    expect(signal.aborted).toBe(false);
    both[at]!.abort(new Error(`of ${at}`));
    both[1 - at]!.abort(new Error('too late'));
    expect(signal.reason).toEqual(new Error(`of ${at}`));
    expect(either(both[0]!.signal, new AbortController().signal).aborted).toBe(true);
  }
});

test('a signal that outlives what was listened for is left with nothing to remember', () => {
  const long = new Departure();
  const remembered = new Set<unknown>();
  vi.spyOn(long, 'addEventListener').mockImplementation((_type, listener) => void remembered.add(listener));
  vi.spyOn(long, 'removeEventListener').mockImplementation((_type, listener) => void remembered.delete(listener));
  const either = new EitherSignal(new Departure(), long);
  expect(remembered.size).toBe(1);
  either.leave();
  expect(remembered.size).toBe(0);
});
