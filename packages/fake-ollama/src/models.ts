import { createHash } from 'node:crypto';

export type Capability = 'completion' | 'tools' | 'insert' | 'vision' | 'embedding' | 'thinking';

/** A model the server pretends to have. Only `name` is needed; the rest is guessed from it. */
export interface FakeModel {
  name: string;
  capabilities?: Capability[];
  family?: string;
  /** As shown by `/api/tags`, e.g. `8.0B`. */
  parameterSize?: string;
  /** Bytes of memory when loaded. */
  size?: number;
  /** Longest context the model allows, in tokens. */
  contextLength?: number;
  embeddingLength?: number;
  /** Overrides the server's `loadMs`, rates and `numParallel` for this model. */
  loadMs?: number;
  prefillTokensPerSecond?: number;
  decodeTokensPerSecond?: number;
  numParallel?: number;
  outputTokens?: number;
  /** A stub of a model on another host, as `ollama create` with a remote makes it. */
  remoteHost?: string;
  remoteModel?: string;
}

/** A model with nothing left open. `name` is the short display name with its tag. */
export interface Model extends FakeModel {
  capabilities: Capability[];
  family: string;
  parameterSize: string;
  size: number;
  contextLength: number;
  embeddingLength: number;
  digest: string;
  modifiedAt: Date;
  cloud: boolean;
}

export const DEFAULT_MODELS = [
  'llama3.1:8b',
  'mistral:7b',
  'llama3.1:70b',
  'llama3.2',
  'codellama:7b',
  'qwen3:8b',
  'nomic-embed-text',
  'gpt-oss:20b-cloud',
];

const NAME_PART = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/;

/** Lower case, default host, namespace and tag removed or filled in: `Library/Llama3.2` is `llama3.2:latest`. Undefined when invalid. */
export function normalName(sent: string): string | undefined {
  let name = sent
    .trim()
    .replace(/^[^/]*:\/\//, '')
    .toLowerCase();
  // ":local" only asserts that the model is not in the cloud; it is not a tag.
  name = name.replace(/:local$/, '');
  const slash = name.lastIndexOf('/');
  const colon = name.lastIndexOf(':');
  const tag = colon > slash ? name.slice(colon + 1) : 'latest';
  const parts = (colon > slash ? name.slice(0, colon) : name).split('/');
  const model = parts.pop() ?? '';
  const namespace = parts.pop() ?? 'library';
  const host = parts.join('/') || 'registry.ollama.ai';
  if (![tag, model, namespace].every((part) => NAME_PART.test(part)) || !/^[a-z0-9_.:-]+$/.test(host)) return undefined;
  const short = namespace === 'library' ? `${model}:${tag}` : `${namespace}/${model}:${tag}`;
  return host === 'registry.ollama.ai' ? short : `${host}/${namespace}/${model}:${tag}`;
}

/** `registry.ollama.ai/library/gemma:latest`, as some error texts spell a name. */
export function longName(normal: string): string {
  const slashes = normal.split('/').length - 1;
  if (slashes === 0) return `registry.ollama.ai/library/${normal}`;
  return slashes === 1 ? `registry.ollama.ai/${normal}` : normal;
}

/** A tag `cloud` or ending in `-cloud`, in any case, means the model runs on ollama.com whether or not it is installed. */
export function isCloudName(sent: string): boolean {
  const name = sent.trim().toLowerCase();
  const tag = name.slice(name.lastIndexOf('/') + 1).split(':')[1] ?? '';
  return tag === 'cloud' || tag.endsWith('-cloud');
}

/** The name ollama.com knows the model by: without the cloud suffix. */
export function cloudBaseName(sent: string): string {
  return sent.trim().replace(/(?::cloud|-cloud)$/i, '');
}

const GIB = 2 ** 30;

function guessed(given: FakeModel): Model {
  const name = normalName(given.name);
  if (name === undefined) throw new RangeError(`invalid model name "${given.name}"`);
  const base = name.slice(name.lastIndexOf('/') + 1);
  const embedding = /embed|minilm|bge/.test(base);
  const billions = Number(/([0-9.]+)b/.exec(base.split(':')[1] ?? '')?.[1] ?? (embedding ? 0.137 : 3.2));
  const guessedCapabilities: Capability[] = embedding ? ['embedding'] : ['completion', 'tools'];
  if (/qwen3|deepseek-r1|gpt-oss|thinking/.test(base)) guessedCapabilities.push('thinking');
  if (/codellama|coder/.test(base)) guessedCapabilities.push('insert');
  if (/llava|vision|vl/.test(base)) guessedCapabilities.push('vision');
  return {
    family: embedding ? 'nomic-bert' : (/^[a-z]+/.exec(base)?.[0] ?? 'llama'),
    parameterSize: billions < 1 ? `${Math.round(billions * 1000)}M` : `${billions.toFixed(1)}B`,
    size: Math.round(billions * 0.6 * GIB + GIB / 2),
    contextLength: embedding ? 2048 : 131_072,
    embeddingLength: embedding ? 768 : 4096,
    capabilities: guessedCapabilities,
    ...given,
    name,
    digest: createHash('sha256').update(name).digest('hex'),
    modifiedAt: new Date('2026-05-05T00:31:04Z'),
    cloud: isCloudName(name) || given.remoteHost !== undefined,
  };
}

/** The installed models, by normalised name. */
export class ModelCatalog {
  readonly #models = new Map<string, Model>();

  constructor(models: readonly (string | FakeModel)[]) {
    for (const model of models) this.add(typeof model === 'string' ? { name: model } : model);
  }

  add(given: FakeModel): Model {
    const model = guessed(given);
    this.#models.set(model.name, model);
    return model;
  }

  find(sent: string): Model | undefined {
    const name = normalName(sent);
    return name === undefined ? undefined : this.#models.get(name);
  }

  delete(sent: string): boolean {
    const name = normalName(sent);
    return name !== undefined && this.#models.delete(name);
  }

  all(): Model[] {
    return [...this.#models.values()];
  }
}
