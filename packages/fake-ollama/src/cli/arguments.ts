import { parseArgs } from 'node:util';
import { type Faults, NO_FAULTS } from '../faults.js';
import { goDurationMs } from '../go-json.js';
import type { FakeOllamaOptions } from '../options.js';

/** A mistake in the command line, to be shown in one line. */
export class UsageError extends Error {}

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  port: { type: 'string', short: 'p' },
  host: { type: 'string' },
  models: { type: 'string' },
  'num-parallel': { type: 'string' },
  slots: { type: 'string' },
  'max-queue': { type: 'string' },
  'max-loaded': { type: 'string' },
  vram: { type: 'string' },
  'load-ms': { type: 'string' },
  'unload-ms': { type: 'string' },
  'prefill-rate': { type: 'string' },
  'decode-rate': { type: 'string' },
  'output-tokens': { type: 'string' },
  'keep-alive': { type: 'string' },
  context: { type: 'string' },
  wire: { type: 'string' },
  origins: { type: 'string' },
  'no-host-check': { type: 'boolean' },
  'no-origin-check': { type: 'boolean' },
  'report-version': { type: 'string' },
  fault: { type: 'string', multiple: true },
} as const;

export const HELP = `fake-ollama: a simulated Ollama server, without models and without a GPU

usage: fake-ollama [options]

  -p, --port 11434          0 takes any free port
      --host 127.0.0.1
      --models a,b          installed models; default a mix of eight
      --num-parallel 1      requests served at once by a loaded model (also --slots)
      --max-queue 512       requests that may wait for a model to load
      --max-loaded 3        models in memory at once
      --vram 24GB           memory for models; default unlimited
      --load-ms 0           time to load a model
      --unload-ms 0         time to unload one
      --prefill-rate N      prompt tokens a second; default unlimited
      --decode-rate N       output tokens a second; default unlimited
      --output-tokens 18    length of an answer unless the request limits it
      --keep-alive 5m       how long an idle model stays; -1 for ever
      --context 4096        context length, tokens
      --wire new            OpenAI stream of 0.32.6 and later; "old" for earlier
      --origins a,b         further allowed origins, * is a wildcard
      --no-host-check       accept any Host header
      --no-origin-check     accept any Origin header
      --report-version V    what /api/version says
      --fault name[=value]  may be repeated, e.g. --fault crashAfterTokens=5 --fault hang
  -h, --help

faults: ${Object.keys(NO_FAULTS).join(', ')}
`;

type Values = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // Node adds advice for programmers after the first sentence.
    throw new UsageError((error as Error).message.split('. ')[0] ?? 'wrong arguments');
  }
}

/** Undefined when help is asked for. Throws UsageError. */
export function readArguments(args: readonly string[]): FakeOllamaOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const wire = values.wire ?? 'new';
  if (wire !== 'new' && wire !== 'old') throw new UsageError(`--wire must be new or old, not "${wire}"`);
  return {
    port: numberOf(values, 'port') ?? 11434,
    ...defined({
      host: values.host,
      models: listOf(values.models),
      numParallel: numberOf(values, 'num-parallel') ?? numberOf(values, 'slots'),
      maxQueue: numberOf(values, 'max-queue'),
      maxLoadedModels: numberOf(values, 'max-loaded'),
      vramBytes: bytesOf(values.vram),
      loadMs: numberOf(values, 'load-ms'),
      unloadMs: numberOf(values, 'unload-ms'),
      prefillTokensPerSecond: numberOf(values, 'prefill-rate'),
      decodeTokensPerSecond: numberOf(values, 'decode-rate'),
      outputTokens: numberOf(values, 'output-tokens'),
      keepAliveMs: keepAliveOf(values['keep-alive']),
      contextLength: numberOf(values, 'context'),
      origins: listOf(values.origins),
      version: values['report-version'],
      checkHost: values['no-host-check'] ? false : undefined,
    }),
    wire,
    checkOrigin: values['no-origin-check'] !== true,
    // Nobody reads the record of a program, and it would grow without end.
    remember: 0,
    faults: faultsOf(values.fault ?? []),
  };
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> };

function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function listOf(text: string | undefined): string[] | undefined {
  return text?.split(',').filter((item) => item.trim() !== '');
}

function numberOf(values: Values, name: keyof Values & string): number | undefined {
  const text = values[name];
  return typeof text === 'string' ? numberFrom(text, `--${name}`) : undefined;
}

function numberFrom(text: string, what: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value) || value < 0) throw new UsageError(`${what} must be a number, not "${text}"`);
  return value;
}

function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parts = /^([0-9.]+)\s*([KMGT]?)(?:i?B)?$/i.exec(text);
  const amount = Number(parts?.[1]);
  if (parts === null || Number.isNaN(amount)) throw new UsageError(`--vram must be a size such as 24GB, not "${text}"`);
  return amount * 1024 ** ' KMGT'.indexOf((parts[2] || ' ').toUpperCase());
}

function keepAliveOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^-?\d+$/.test(text) ? Number(text) * 1000 : goDurationMs(text);
  if (ms instanceof Error) throw new UsageError(`--keep-alive must be a duration such as 5m, not "${text}"`);
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}

/** The kinds of the faults that are off, and so have no value to tell it by. */
const TEXT_FAULTS = new Set(['statusMessage', 'onlyModel', 'cloud']);
const CLOUD_STATES = ['ok', 'disabled', 'signed-out', 'unreachable'];

function faultsOf(texts: readonly string[]): Partial<Faults> {
  const faults: Record<string, unknown> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    if (!Object.hasOwn(NO_FAULTS, name)) throw new UsageError(`unknown fault "${name}"; --help lists them`);
    faults[name] = faultValue(name as keyof Faults, equals < 0 ? undefined : text.slice(equals + 1));
  }
  return faults as Partial<Faults>;
}

function faultValue(name: keyof Faults, text: string | undefined): unknown {
  if (typeof NO_FAULTS[name] === 'boolean') {
    if (text === undefined || text === 'true') return true;
    if (text === 'false') return false;
    throw new UsageError(`fault ${name} is true or false, not "${text}"`);
  }
  if (text === undefined) throw new UsageError(`fault ${name} needs a value: --fault ${name}=…`);
  if (name === 'cloud' && !CLOUD_STATES.includes(text)) {
    throw new UsageError(`fault cloud is one of ${CLOUD_STATES.join(', ')}, not "${text}"`);
  }
  if (name === 'statusHeaders') {
    const colon = text.indexOf(':');
    if (colon < 1) throw new UsageError(`fault statusHeaders is written name:value, not "${text}"`);
    return { [text.slice(0, colon).toLowerCase()]: text.slice(colon + 1).trim() };
  }
  return TEXT_FAULTS.has(name) ? text : numberFrom(text, `fault ${name}`);
}
