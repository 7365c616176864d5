import { expect, test, vi } from 'vitest';
import { Events } from '../../../src/kernel/events.js';

interface Words {
  said: string;
  sung: string;
}

test('listeners hear what they listen to, in order, until they are taken off', () => {
  const events = new Events<Words>();
  const heard: string[] = [];
  const off = events.on('said', (word) => heard.push(`first ${word}`));
  events.on('said', (word) => heard.push(`second ${word}`));
  events.emit('said', 'a');
  events.emit('sung', 'b');
  off();
  off();
  events.emit('said', 'c');
  expect(heard).toEqual(['first a', 'second a', 'second c']);
  expect([events.heard('said'), events.heard('sung')]).toEqual([true, false]);
});

test('a listener that throws is reported and stops neither the others nor who told', () => {
  const report = vi.spyOn(console, 'error').mockImplementation(() => {});
  const events = new Events<Words>();
  const heard: string[] = [];
  events.on('said', () => {
    throw new Error('in the listener');
  });
  events.on('said', (word) => heard.push(word));
  events.emit('said', 'a');
  expect(heard).toEqual(['a']);
  expect(report).toHaveBeenCalledTimes(1);
});

test('a listener that is added or taken off while telling counts from the next time', () => {
  const events = new Events<Words>();
  const heard: string[] = [];
  const off = events.on('said', () => {
    off();
    events.on('said', (word) => heard.push(`late ${word}`));
  });
  events.on('said', (word) => heard.push(word));
  events.emit('said', 'a');
  events.emit('said', 'b');
  expect(heard).toEqual(['a', 'b', 'late b']);
});
