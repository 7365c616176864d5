import type { Faults } from './faults.js';
import { DEFAULT_MODELS, type FakeModel } from './models.js';

export interface FakeOllamaOptions {
  /** Default 0: any free port. */
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  /** Installed models; default a mix with a thinking, an embedding and a cloud model. */
  models?: readonly (string | FakeModel)[];
  /** Requests served at once by one loaded model (`OLLAMA_NUM_PARALLEL`); default 1. */
  numParallel?: number;
  /** Requests that may wait for a model to load (`OLLAMA_MAX_QUEUE`); default 512. A loaded model has no such limit. */
  maxQueue?: number;
  /** Models in memory at once (`OLLAMA_MAX_LOADED_MODELS`); default 3. */
  maxLoadedModels?: number;
  /** Bytes of GPU memory: models are evicted until the next one fits. Default unlimited. */
  vramBytes?: number;
  /** Time to load a model, in milliseconds; default 0. */
  loadMs?: number;
  /** Time an unloading takes, in milliseconds; default 0. */
  unloadMs?: number;
  /** Speed of reading the prompt; default Infinity. Tokens already in the prompt cache of the slot cost nothing. */
  prefillTokensPerSecond?: number;
  /** Speed of writing the answer, for each request; default Infinity, which still gives other requests a turn between chunks. */
  decodeTokensPerSecond?: number;
  /** Natural length of an answer in tokens, thinking included; default 18. A limit in the request can only shorten it. */
  outputTokens?: number | ((question: { model: string; prompt: string; promptTokens: number }) => number);
  /** How long an idle model stays loaded when a request does not say (`OLLAMA_KEEP_ALIVE`), in milliseconds; default 5 minutes, Infinity allowed. */
  keepAliveMs?: number;
  /** Context of a model when a request does not say (`OLLAMA_CONTEXT_LENGTH`), in tokens; default by `vramBytes`, else 4096. */
  contextLength?: number;
  /** Generation of the OpenAI stream: `new` = 0.32.6 and later, `old` = up to 0.32.5. */
  wire?: 'new' | 'old';
  /** Refuse foreign `Host` headers with an empty 403; default true on a loopback `host`, as in Ollama. */
  checkHost?: boolean;
  /** Refuse foreign `Origin` headers with an empty 403; default true. */
  checkOrigin?: boolean;
  /** Further origins to allow (`OLLAMA_ORIGINS`); `*` stands for anything. */
  origins?: readonly string[];
  /** What `/api/version` says; default 0.33.0. */
  version?: string;
  /** How many of the latest requests `seen` and `cloud` keep; default all. For servers that run for long. */
  remember?: number;
  faults?: Partial<Faults>;
}

export type Settings = Required<Omit<FakeOllamaOptions, 'faults'>>;

const GIB = 2 ** 30;

function contextByVram(vramBytes: number): number {
  if (vramBytes === Number.POSITIVE_INFINITY || vramBytes < 23 * GIB) return 4096;
  return vramBytes < 47 * GIB ? 32_768 : 262_144;
}

/** Throws a RangeError in one sentence for a number that makes no sense. */
export function settingsFrom(options: FakeOllamaOptions): Settings {
  const vramBytes = options.vramBytes ?? Number.POSITIVE_INFINITY;
  const settings: Settings = {
    port: 0,
    host: '127.0.0.1',
    models: DEFAULT_MODELS,
    numParallel: 1,
    maxQueue: 512,
    maxLoadedModels: 3,
    loadMs: 0,
    unloadMs: 0,
    prefillTokensPerSecond: Number.POSITIVE_INFINITY,
    decodeTokensPerSecond: Number.POSITIVE_INFINITY,
    outputTokens: 18,
    keepAliveMs: 300_000,
    contextLength: contextByVram(vramBytes),
    wire: 'new',
    checkHost: /^(localhost|127\..*|::1)$/.test(options.host ?? '127.0.0.1'),
    checkOrigin: true,
    origins: [],
    version: '0.33.0',
    remember: Number.POSITIVE_INFINITY,
    ...options,
    vramBytes,
  };
  checkNumbers(settings);
  return settings;
}

type NumberName = { [Name in keyof Settings]: Settings[Name] extends number ? Name : never }[keyof Settings];

function checkNumbers(settings: Settings): void {
  const bounds: Record<NumberName, { least: number; whole: boolean }> = {
    port: { least: 0, whole: true },
    numParallel: { least: 1, whole: true },
    maxQueue: { least: 0, whole: false },
    maxLoadedModels: { least: 1, whole: false },
    contextLength: { least: 1, whole: true },
    vramBytes: { least: 0, whole: false },
    loadMs: { least: 0, whole: false },
    unloadMs: { least: 0, whole: false },
    keepAliveMs: { least: 0, whole: false },
    remember: { least: 0, whole: false },
    prefillTokensPerSecond: { least: Number.MIN_VALUE, whole: false },
    decodeTokensPerSecond: { least: Number.MIN_VALUE, whole: false },
  };
  for (const [name, { least, whole }] of Object.entries(bounds) as [NumberName, { least: number; whole: boolean }][]) {
    const value = settings[name];
    const bound = least === Number.MIN_VALUE ? 'above 0' : `at least ${least}`;
    if (!(value >= least)) throw new RangeError(`${name} must be ${bound}, not ${value}`);
    if (whole && !Number.isInteger(value)) throw new RangeError(`${name} must be a whole number, not ${value}`);
  }
  if (settings.port > 65_535) throw new RangeError(`port must be at most 65535, not ${settings.port}`);
}
