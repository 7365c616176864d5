import { expect, test } from 'vitest';
import { HELP, readArguments } from '../../src/cli/arguments.js';

test('every option reaches the server', () => {
  const args =
    '--port 0 --host 0.0.0.0 --models a,b:7b --slots 4 --max-queue 8 --max-loaded 2 --vram 24GB --load-ms 50 --prefill-rate 1000 ' +
    '--decode-rate 40 --output-tokens 7 --keep-alive 10m --context 8192 --wire old --no-host-check --report-version 0.32.5 ' +
    '--fault crashAfterTokens=5 --fault hang --fault abortLoadOnDisconnect=false --fault statusHeaders=Retry-After:5 --fault cloud=disabled';
  expect(readArguments(args.split(' '))).toMatchObject({
    port: 0,
    host: '0.0.0.0',
    models: ['a', 'b:7b'],
    numParallel: 4,
    maxQueue: 8,
    maxLoadedModels: 2,
    vramBytes: 24 * 2 ** 30,
    loadMs: 50,
    prefillTokensPerSecond: 1000,
    decodeTokensPerSecond: 40,
    outputTokens: 7,
    keepAliveMs: 600_000,
    contextLength: 8192,
    wire: 'old',
    checkHost: false,
    checkOrigin: true,
    version: '0.32.5',
    faults: {
      crashAfterTokens: 5,
      hang: true,
      abortLoadOnDisconnect: false,
      statusHeaders: { 'retry-after': '5' },
      cloud: 'disabled',
    },
  });
});

test('the port of Ollama is the default', () => {
  expect(readArguments([])?.port).toBe(11434);
});

test('help is not a configuration', () => {
  expect(readArguments(['--help'])).toBeUndefined();
  expect(HELP).toContain('--decode-rate');
});

test.each([
  ['--port x', '--port must be a number, not "x"'],
  ['--vram lots', '--vram must be a size such as 24GB, not "lots"'],
  ['--keep-alive soon', '--keep-alive must be a duration such as 5m, not "soon"'],
  ['--wire middle', '--wire must be new or old, not "middle"'],
  ['--fault nope', 'unknown fault "nope"; --help lists them'],
  ['--fault crashAfterTokens', 'fault crashAfterTokens needs a value'],
  ['--fault hang=maybe', 'fault hang is true or false, not "maybe"'],
  ['--fault cloud=grey', 'fault cloud is one of'],
  ['--nope', "Unknown option '--nope'"],
])('%s is refused in one sentence', (args, message) => {
  expect(() => readArguments(args.split(' '))).toThrow(message);
});
