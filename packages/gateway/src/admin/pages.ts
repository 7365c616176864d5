/** The pages for operators: /healthz for everyone, the others for the machine itself or the bearer of the admin key. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Refusal, refuse } from '@headgate/core';
import { mayAdminister } from './access.js';
import type { Ready } from './readiness.js';

export interface AdminPagesOptions {
  readonly adminKey: () => string | undefined;
  readonly ready: () => Promise<Ready>;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** The paths of the dashboard, `/dashboard` first of all. */
  readonly dashboard: ReadonlyMap<string, Page>;
}

/** Browsers know the second: they ask for a name, which may be any, and a password, which is the key. */
export const challenges = ['Bearer realm="headgate"', 'Basic realm="headgate", charset="UTF-8"'];

export type Page = (response: ServerResponse) => void | Promise<void>;

export class AdminPages {
  readonly #adminKey: () => string | undefined;
  readonly #pages: ReadonlyMap<string, Page>;

  constructor({ adminKey, ready, metrics, dashboard }: AdminPagesOptions) {
    this.#adminKey = adminKey;
    this.#pages = new Map<string, Page>([
      ['/healthz', (response) => answerJson(response, 200, { status: 'ok' })],
      [
        '/readyz',
        async (response) => {
          const state = await ready();
          answerJson(response, state.ready ? 200 : 503, { status: state.ready ? 'ready' : 'not ready', ...state });
        },
      ],
      [
        '/metrics',
        async (response) => {
          const { contentType, text } = await metrics();
          answer(response, 200, contentType, text);
        },
      ],
      ...dashboard,
    ]);
  }

  /**
   * Answers if the path is one of these pages.
   * @returns false when it is not; for a wrong key why it is refused, which is left to the caller to count and to answer
   */
  answer(request: IncomingMessage, response: ServerResponse): boolean | Refusal {
    const path = (request.url ?? '').split('?', 1)[0]!;
    const page = this.#pages.get(path);
    if (page === undefined) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answerJson(response, 405, { error: `${path} is read with GET.` });
      return true;
    }
    const access = path === '/healthz' ? 'allowed' : mayAdminister(request, this.#adminKey());
    if (access === 'allowed') {
      void Promise.resolve(page(response)).catch(() => answerJson(response, 500, { error: 'this page failed.' }));
    } else if (access === 'key-needed' || access === 'key-wrong') {
      const error = `${path} needs the admin key, as "Authorization: Bearer <key>" or as the password of a browser.`;
      if (access === 'key-wrong') return refuse('unauthorized', error);
      response.setHeader('www-authenticate', challenges);
      answerJson(response, 401, { error });
    } else {
      const error = `${path} is for this machine itself; to read it from elsewhere, set \`admin.key\` in the policy.`;
      answerJson(response, 403, { error });
    }
    return true;
  }
}

export function answerJson(response: ServerResponse, status: number, value: object): void {
  answer(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

function answer(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}
