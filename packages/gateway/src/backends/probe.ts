/** Asks backends over HTTP whether they are well, and which models they hold in memory. */
import { get } from 'node:http';
import { get as getTls } from 'node:https';
import { type Backend, canonicalModel, type LoadedModel, type Policy, type ProbeBackend } from '@headgate/core';

/** So that a backend's own log can tell probes from work. */
const userAgent = 'headgate-probe';
/** A listing of what is in memory; more is none. */
const listingBytesMax = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * A GET of the health path, which is well when answered with 2xx, and one of Ollama's `/api/ps`. A server that has no such
 * page (vLLM, llama.cpp) is asked for it once.
 */
export function httpProbe(health: () => Policy['pool']['health']): ProbeBackend {
  const unlisted = new WeakSet<Backend>();
  return async (backend) => {
    const { path, timeoutMs } = health();
    const [answer, listing] = await Promise.all([
      ask(urlUnder(backend.url, path), timeoutMs, backend.headers),
      unlisted.has(backend) ? undefined : ask(urlUnder(backend.url, '/api/ps'), timeoutMs, backend.headers),
    ]);
    if (listing?.status === 404) unlisted.add(backend);
    return { up: isGood(answer), loaded: isGood(listing) ? loadedModels(listing!.body) : undefined };
  };
}

/** Whether a GET of the address is answered with 2xx in time. */
export async function isUp(url: string, timeoutMs: number, headers: Backend['headers'] = {}): Promise<boolean> {
  return isGood(await ask(url, timeoutMs, headers));
}

export function urlUnder(base: string, path: string): string {
  return base.replace(/\/+$/, '') + path;
}

function isGood(answer: Answer | undefined): boolean {
  return answer !== undefined && answer.status >= 200 && answer.status < 300;
}

/** The whole answer; undefined when there is none in time, or one too long. */
function ask(url: string, timeoutMs: number, headers: Backend['headers']): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const request = (url.startsWith('https:') ? getTls : get)(url, {
      headers: { 'user-agent': userAgent, ...headers },
      agent: false,
    });
    const end = (answer: Answer | undefined): void => {
      clearTimeout(timer);
      resolve(answer);
      request.destroy();
    };
    const timer = setTimeout(() => end(undefined), timeoutMs);
    request.on('response', (response) => {
      const { statusCode: status = 0 } = response;
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
        if (body.length > listingBytesMax) end(undefined);
      });
      response.on('end', () => end({ status, body }));
      response.on('close', () => end(undefined));
    });
    request.on('error', () => end(undefined));
  });
}

/** Undefined for what is no listing. */
export function loadedModels(body: string): LoadedModel[] | undefined {
  let json: { readonly models?: unknown } | null;
  try {
    json = JSON.parse(body) as typeof json;
  } catch {
    return undefined;
  }
  if (!Array.isArray(json?.models)) return undefined;
  return json.models.flatMap((entry: unknown): LoadedModel[] => {
    const { model, name, context_length: size } = (entry ?? {}) as Record<string, unknown>;
    const known = typeof model === 'string' ? model : name;
    if (typeof known !== 'string') return [];
    return [{ model: canonicalModel(known), ...(isCount(size) ? { contextTokens: size } : {}) }];
  });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
