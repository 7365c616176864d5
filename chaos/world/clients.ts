/** Clients that ask, wait, read, leave, and write down what became of it. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Visit } from '../history.js';
import { keyFor, model, prompt } from '../rules.js';
import { now } from './gateways.js';

/** Longer than any wait of the policy, and than a gateway ever stands still. */
const hungMs = 60_000;

export interface Asked {
  readonly identity: string;
  readonly gateway: string;
  readonly port: number;
  readonly answerTokens: number;
  readonly stream: boolean;
  /** It leaves after so long, if it is not served by then. */
  readonly leavesAfterMs?: number | undefined;
}

interface Answer {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly reason?: string | undefined;
  readonly ending: Visit['ending'];
  readonly tokens?: number;
}

/** Those who are being served now, to make them leave together. */
export class Clients {
  readonly visits: Visit[] = [];
  // A connection for each: one that is kept may be closed in the instant in which it is used again, which says nothing.
  readonly #agent = new Agent({ keepAlive: false });
  readonly #open = new Set<() => void>();

  /** Everybody leaves at once. */
  storm(): void {
    for (const leave of [...this.#open]) leave();
  }

  async ask(asked: Asked): Promise<Visit> {
    const { identity, gateway } = asked;
    const sentAt = now();
    const { status, requestId, reason, ending, tokens = 0 } = await this.#answerTo(asked);
    const visit = { identity, gateway, requestId, sentAt, endedAt: now(), status, reason, ending, tokens };
    this.visits.push(visit);
    return visit;
  }

  #answerTo({ identity, port, answerTokens, stream, leavesAfterMs }: Asked): Promise<Answer> {
    const body = JSON.stringify({
      ...{ model, stream, options: { num_predict: answerTokens } },
      messages: [{ role: 'user', content: prompt }],
    });
    return new Promise((resolve) => {
      const headers = { authorization: `Bearer ${keyFor(identity)}`, 'content-length': Buffer.byteLength(body) };
      const sent = request({ port, path: '/api/chat', method: 'POST', headers, agent: this.#agent });
      let head: IncomingMessage | undefined;
      let text = '';
      const end = (ending: Visit['ending']): void => {
        this.#open.delete(leave);
        clearTimeout(leaving);
        clearTimeout(hung);
        resolve({ ...headOf(head), ...(ending === 'whole' ? endingOf(head!, text) : { ending }) });
      };
      const go = (ending: Visit['ending']): void => {
        end(ending);
        sent.destroy();
      };
      const leave = (): void => go('left');
      const leaving = setTimeout(leave, leavesAfterMs ?? 2 ** 30);
      const hung = setTimeout(() => go('hung'), hungMs);
      this.#open.add(leave);
      listenTo(sent, {
        onHead: (answer) => {
          head = answer;
        },
        onText: (chunk) => {
          text += chunk;
        },
        onEnd: () => end('whole'),
        onBroken: () => end(head === undefined ? 'unanswered' : 'broken'),
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

interface Listeners {
  onHead(answer: IncomingMessage): void;
  onText(chunk: string): void;
  onEnd(): void;
  onBroken(): void;
}

function listenTo(sent: ClientRequest, { onHead, onText, onEnd, onBroken }: Listeners): void {
  sent.on('error', onBroken);
  sent.on('response', (answer) => {
    onHead(answer);
    answer.setEncoding('utf8');
    answer.on('data', onText);
    answer.on('end', onEnd);
    answer.on('error', onBroken);
  });
}

function headOf(head: IncomingMessage | undefined): Pick<Answer, 'status' | 'requestId' | 'reason'> {
  const text = (name: string): string | undefined => head?.headers[name] as string | undefined;
  return { status: head?.statusCode, requestId: text('x-request-id'), reason: text('x-headgate-reason') };
}

/** What an answer that ended in good order amounts to. */
function endingOf({ statusCode }: IncomingMessage, text: string): Pick<Answer, 'ending' | 'tokens'> {
  if (statusCode !== 200) return { ending: 'refused' };
  const objects = text.split('\n').filter((line) => line !== '');
  const last = JSON.parse(objects.at(-1) ?? '{}') as { done?: boolean; error?: unknown; eval_count?: number };
  // An answer that was not asked for as a stream says of itself whether it is whole.
  if (last.error !== undefined || (objects.length === 1 && last.done === false)) return { ending: 'error' };
  return last.done === true ? { ending: 'whole', tokens: last.eval_count ?? 0 } : { ending: 'short' };
}
