/** Refusals of what is no request, or none for us, in the form of any other: nothing of it could be read but where it came from. */
import type { Socket } from 'node:net';
import { type Gate, type Refusal, refuse, type Turned } from '@headgate/core';

const reasons: Readonly<Record<number, Refusal['reason']>> = {
  405: 'bad-method',
  429: 'concurrency',
  431: 'too-large',
};

/** When whoever has too many connections is told to come back. */
const retryAfterMs = 1_000;

/** @param status which says more than that of the reason */
export async function turnUnreadable(gate: Gate, socket: Socket, status: number, message: string): Promise<Turned> {
  const again = status === 429 ? { retryAfterMs } : {};
  const problem = refuse(reasons[status] ?? 'bad-request', message, { status, ...again });
  const nothing = { method: '', target: '', headers: {}, remoteAddress: socket.remoteAddress ?? '' };
  const { signal } = new AbortController();
  const readBody = async () => ({ ok: false, reason: 'aborted' }) as const;
  return (await gate.open({ ...nothing, problem, signal, readBody })) as Turned;
}
