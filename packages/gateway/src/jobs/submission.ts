/** What a client sends to `POST /jobs`: the request that it wants made, and when and whom to tell. */
import { type JsonObject, type JsonValue, type Priority, type Refusal, refuse } from '@headgate/core';
import { bands } from './job.js';

export interface Submission {
  readonly path: string;
  readonly body: JsonObject;
  readonly priority: Priority;
  readonly callback: URL | undefined;
}

const keys = ['path', 'body', 'priority', 'callback'];
const callbackLengthMax = 2_000;

/** @param json read strictly: no key stands twice, and none looks like another */
export function readSubmission(json: JsonObject): Submission | Refusal {
  const unknown = Object.keys(json).find((key) => !keys.includes(key));
  if (unknown !== undefined) return bad(`a job has no "${unknown.slice(0, 50)}"; it has ${keys.join(', ')}.`);
  const { path, body, priority = 'normal', callback } = json;
  if (typeof path !== 'string' || !path.startsWith('/')) {
    return bad('a job needs the "path" that its body is meant for, such as "/api/chat".');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return bad(`a job needs a "body": the JSON object to send to ${path.slice(0, 200)}.`);
  }
  if (!bands.some((band) => band === priority)) return bad('the "priority" of a job is "high", "normal" or "low".');
  if (callback === undefined) return { path, body, priority: priority as Priority, callback: undefined };
  const url = callbackOf(callback);
  return url === undefined
    ? bad('the "callback" of a job is an address such as "https://hooks.example/done", without user and password.')
    : { path, body, priority: priority as Priority, callback: url };
}

function callbackOf(given: JsonValue): URL | undefined {
  if (typeof given !== 'string' || given.length > callbackLengthMax || !URL.canParse(given)) return undefined;
  const url = new URL(given);
  const isHttp = url.protocol === 'https:' || url.protocol === 'http:';
  return isHttp && url.username === '' && url.password === '' ? url : undefined;
}

function bad(message: string): Refusal {
  return refuse('bad-request', message);
}
