/**
 * A gateway as `headgate serve` starts it, that also writes down what its limiter decides: one line at a time, with the file
 * told before the next step is taken, so that what was written before a kill is there after it.
 *
 *   node gateway-process.js POLICY_FILE PORT HISTORY_FILE LIFE
 *   SIGHUP reads the policy again, SIGUSR2 writes down how it stands, SIGTERM drains; then nothing is left, and it ends.
 */
import { openSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type Gateway, readPolicyFile, startGateway } from '@headgate/gateway';
import type { Line } from './history.js';
import { whenItStoodStill } from './stood.js';

const [file = '', port = '0', historyFile = '', life = ''] = process.argv.slice(2);
const history = openSync(historyFile, 'a');

type Unsigned<Event> = Event extends Line ? Omit<Event, 'life' | 'at'> : never;

function write(line: Unsigned<Line>): void {
  writeSync(history, `${JSON.stringify({ ...line, life, at: now() })}\n`);
}

const now = (): number => performance.timeOrigin + performance.now();

function listenTo({ limiter }: Gateway): void {
  limiter.on('request-admitted', ({ permitId: permit, identity, waitedMs }) =>
    write({ type: 'admitted', permit, identity: identity.id, decidedAt: now() - waitedMs }),
  );
  limiter.on('reservation-settled', ({ permitId: permit, reserved, charged }) =>
    write({
      type: 'settled',
      permit,
      reserved: (reserved.inputTokens ?? 0) + (reserved.outputTokens ?? 0),
      charged: charged.inputTokens + charged.outputTokens,
    }),
  );
  limiter.on('reservation-cancelled', ({ permitId: permit }) => write({ type: 'cancelled', permit }));
  limiter.on('permit-released', ({ permitId: permit }) => write({ type: 'released', permit }));
  limiter.on('permit-ended-twice', ({ permitId: permit }) => write({ type: 'ended-twice', permit }));
  limiter.on('store-down', ({ cause }) => write({ type: 'store-down', text: cause }));
  limiter.on('store-up', () => write({ type: 'store-up' }));
}

function sample({ limiter }: Gateway): void {
  globalThis.gc?.();
  const { inFlight, waiting, open } = limiter.stats();
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  write({ type: 'sample', inFlight, waiting, open, heapBytes: process.memoryUsage().heapUsed, timers });
}

/** Only what went wrong inside: requests are known from both of their ends. */
const log = {
  write: (text: string): void => {
    if (text.startsWith('{"level":"error"')) write({ type: 'failed', text });
  },
};

// It ends with whoever started it, in whatever way that ended; until then this keeps nothing alive.
process.stdin.on('end', () => process.exit(1)).resume();
(process.stdin as Partial<Socket>).unref?.();

// Less than the checker allows to whoever writes down a decision.
whenItStoodStill(now, 200, (from, to) => write({ type: 'stood', from, to }));
process.on('uncaughtException', (error) => {
  write({ type: 'failed', text: String(error.stack) });
  console.error(`${life} failed:`, error);
  process.exit(1);
});
const gateway = await startGateway({ policy: await readPolicyFile(file), port: Number(port), log });
listenTo(gateway);
process.on('SIGHUP', () => {
  readPolicyFile(file)
    .then((policy) => gateway.reload(policy))
    .catch(() => {});
});
process.on('SIGUSR2', () => sample(gateway));
process.once('SIGTERM', () => void gateway.close());
console.log(`listening on ${gateway.url}`);
