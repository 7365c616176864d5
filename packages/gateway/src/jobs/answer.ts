/** What a page of jobs answers. */
import type { ServerResponse } from 'node:http';
import type { Recognised } from '@headgate/core';

export interface JobsAnswer {
  readonly open: true;
  readonly about: Recognised['about'];
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined where there is none. */
  readonly body: object | undefined;
}

/** @returns the bytes of its body */
export function writeJobsAnswer(response: ServerResponse, { status, headers, body, about }: JobsAnswer): number {
  const text = body === undefined ? '' : `${JSON.stringify(body)}\n`;
  const bytes = Buffer.byteLength(text);
  const described = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes };
  const own = { 'cache-control': 'no-store', 'x-request-id': about.requestId };
  response.writeHead(status, { ...described, ...own, ...headers });
  response.end(text);
  return bytes;
}
