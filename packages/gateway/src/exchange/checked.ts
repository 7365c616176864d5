/** Answers that the client may not see as they are: listings of models, and the host's own account in a 401. */
import type { Clock, JsonObject, JsonValue, Passage } from '@headgate/core';
import type { Answer } from './answer.js';
import { IdleTimer } from './timers.js';

const wholeBytesMax = 32 * 1024 * 1024;

/** Whether the answer has to be read whole before any of it is passed on. */
export function mustCheck({ dialect, route }: Passage, status: number): boolean {
  if (status === 401) return true;
  return status < 300 && route.method !== 'HEAD' && route.operation === 'models' && dialect.redact !== undefined;
}

/** What of the answer's body the client may see; undefined when it cannot be read whole. */
export async function checkedBody(
  answer: Answer,
  passage: Passage,
  clock: Clock,
  idleMs: number,
): Promise<Buffer | undefined> {
  const whole = await readWhole(answer, clock, idleMs);
  return whole === undefined ? undefined : rewritten(passage, answer.status, whole);
}

/** The whole body; undefined when it broke off, stopped coming, or is too long to be checked. */
function readWhole(answer: Answer, clock: Clock, idleMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const idle = new IdleTimer(clock, idleMs, () => end(undefined));
    const end = (whole: Buffer | undefined): void => {
      idle.stop();
      resolve(whole);
    };
    idle.touch();
    answer.read({
      onData: (chunk) => {
        idle.touch();
        bytes += chunk.length;
        if (bytes > wholeBytesMax) end(undefined);
        else chunks.push(chunk);
      },
      onEnd: () => end(Buffer.concat(chunks)),
      onBroken: () => end(undefined),
    });
  });
}

/** The body for the client; undefined when it cannot be read and so not be shown. */
function rewritten(passage: Passage, status: number, whole: Buffer): Buffer | undefined {
  const json = parsed(whole);
  if (status === 401) return json === undefined ? whole : Buffer.from(JSON.stringify(withoutAccount(json)));
  const { dialect, route } = passage;
  // Only JSON lists models; the word that a server is alive, say, is text.
  if (json === undefined) return route.kind === 'root' || route.kind === 'version' ? whole : undefined;
  const redacted = dialect.redact?.(route, json, (model) => passage.mayUseModel(model));
  return redacted === undefined ? whole : Buffer.from(JSON.stringify(redacted));
}

function parsed(whole: Buffer): JsonValue | undefined {
  try {
    return JSON.parse(whole.toString('utf8')) as JsonValue;
  } catch {
    return undefined;
  }
}

/** The address to sign in names the host and its public key. */
function withoutAccount(json: JsonValue): JsonValue {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const { signin_url: _, ...rest } = json as JsonObject;
  return rest;
}
