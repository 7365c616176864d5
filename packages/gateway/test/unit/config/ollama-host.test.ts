import { expect, it } from 'vitest';
import { ollamaHostUrl } from '../../../src/config/ollama-host.js';

it.each([
  [undefined, 'http://127.0.0.1:11434'],
  ['', 'http://127.0.0.1:11434'],
  ['   ', 'http://127.0.0.1:11434'],
  ['10.0.0.5', 'http://10.0.0.5:11434'],
  ['10.0.0.5:1234', 'http://10.0.0.5:1234'],
  [':1234', 'http://127.0.0.1:1234'],
  ['0.0.0.0', 'http://127.0.0.1:11434'],
  ['0.0.0.0:1234', 'http://127.0.0.1:1234'],
  ['[::]:1234', 'http://[::1]:1234'],
  ['[::1]', 'http://[::1]:11434'],
  ['gpu.local', 'http://gpu.local:11434'],
  ['http://gpu.local', 'http://gpu.local'],
  ['http://gpu.local:8080/', 'http://gpu.local:8080'],
  ['https://ollama.example/below/', 'https://ollama.example/below'],
  ['"http://gpu.local:1"', 'http://gpu.local:1'],
  [' " 1.2.3.4 " ', 'http://1.2.3.4:11434'],
  ["'1.2.3.4'", 'http://1.2.3.4:11434'],
  ['1.2.3.4/below', 'http://1.2.3.4:11434/below'],
  ['::1', 'http://[::1]:11434'],
  ['::', 'http://[::1]:11434'],
  ['2001:db8::7', 'http://[2001:db8::7]:11434'],
  ['[::1]:1337', 'http://[::1]:1337'],
  ['http://[::]', 'http://[::1]'],
  ['HTTP://GPU.local', 'http://gpu.local'],
  ['https://1.2.3.4', 'https://1.2.3.4'],
  ['https://1.2.3.4:443', 'https://1.2.3.4'],
  ['https://1.2.3.4:80', 'https://1.2.3.4:80'],
  ['https://0.0.0.0', 'https://127.0.0.1'],
  ['http://', 'http://127.0.0.1'],
  // What is no port is passed over, as Ollama does: its own server listens on the default one then.
  ['gpu.local:', 'http://gpu.local:11434'],
  ['gpu.local:abc', 'http://gpu.local:11434'],
  [':66000', 'http://127.0.0.1:11434'],
  [':-1', 'http://127.0.0.1:11434'],
  ['http://gpu.local:99999', 'http://gpu.local'],
  ['ollama.com', 'https://ollama.com'],
])('OLLAMA_HOST=%s is %s', (given, url) => {
  expect(ollamaHostUrl(given)).toBe(url);
});

it.each([
  'tcp://1.2.3.4:5',
  'unix:///tmp/ollama.sock',
  'a b',
  'http://user:secret@gpu.local',
  'gpu.local/?x=1',
  'gpu.local/#x',
  'http://[::1',
  '::1:1234:zz',
])('OLLAMA_HOST=%s is refused by its name, with what it should be', (given) => {
  expect(() => ollamaHostUrl(given)).toThrow(`OLLAMA_HOST must be an address such as 127.0.0.1:11434`);
});
