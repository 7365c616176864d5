import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { moreSeeds } from '../../../../test/support/seeds.js';
import { atEnd, chat, type Setup, setup, until } from '../support/harness.js';
import { seeded } from '../support/seeded.js';

const clients = 300;
const slots = 3;
const outputTokens = 40;

/** Where a client leaves: in the middle of its request, a while after it, in the middle of its answer, or not at all. */
const points = ['in its request', 'while it waits', 'in its answer', 'never'] as const;
type Point = (typeof points)[number];

interface Visit {
  readonly point: Point;
  /** It had all it wanted: the whole answer came. */
  served: boolean;
}

function visit(port: number, random: () => number): Promise<Visit> {
  const point = points[Math.floor(random() * points.length)]!;
  const [part, how] = [random(), random()];
  const body = JSON.stringify({ ...chat, stream: true });
  const key = `key-${Math.floor(random() * 5)}`;
  const request = `POST /api/chat HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  return new Promise((resolve) => {
    const visited: Visit = { point, served: false };
    const socket = connect({ port, host: '127.0.0.1' });
    // A reset, a close in good order, or the end of what it has to say: all are ways to leave.
    const leave = (): void => {
      if (how < 0.4) socket.resetAndDestroy();
      else if (how < 0.8) socket.destroy();
      else socket.end();
    };
    let answer = '';
    socket.on('connect', () => {
      if (point === 'in its request') {
        socket.write(request.slice(0, Math.floor(part * request.length)), leave);
        return;
      }
      socket.write(request);
      if (point === 'while it waits') setTimeout(leave, part * 400);
    });
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (point === 'in its answer' && answer.split('"content"').length > part * outputTokens) leave();
      if (!answer.endsWith('\r\n0\r\n\r\n')) return;
      visited.served = answer.includes('"done":true');
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(visited));
  });
}

async function expectNothingHeld({ gateway, backends }: Setup): Promise<void> {
  const { limiter } = gateway;
  await until(() => limiter.stats().inFlight === 0 && limiter.stats().waiting === 0, 'nothing is in flight');
  expect(limiter.stats()).toMatchObject({ inFlight: 0, waiting: 0, open: 0 });
  for (const [index, backend] of backends.entries()) {
    await backend.idle();
    expect(limiter.stats().backends[index]?.used).toBe(0);
    expect(backend.stats()).toMatchObject({ inFlight: 0, running: 0 });
    expect(backend.stats().inFlightMax).toBe(slots);
  }
}

/** As many answers at once as there are slots, on every backend, and nobody waits. */
async function expectAllSlotsUsable({ gateway, backends }: Setup): Promise<void> {
  for (const backend of backends) backend.set({ hang: true });
  const body = JSON.stringify(chat);
  for (let i = 0; i < slots * backends.length; i++) {
    const socket = connect({ port: gateway.port, host: '127.0.0.1' });
    atEnd(async () => socket.destroy());
    socket.on('error', () => {});
    socket.write(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  }
  await Promise.all(backends.map((backend) => backend.waitFor(() => backend.stats().running === slots)));
  expect(gateway.limiter.stats()).toMatchObject({ inFlight: slots * backends.length, waiting: 0 });
}

/** What the gateway gave up in the middle every backend saw being given up, and what it did not give up came to its end. */
function expectEveryAbortSeen({ backends, log }: Setup, visits: readonly Visit[]): void {
  const seen = backends.flatMap((backend) => backend.seen);
  const gone = new Set(log.filter(({ cut }) => cut === 'client gone').map(({ requestId }) => requestId));
  for (const { headers, outcome, tokensSent } of seen) {
    const id = String(headers['x-request-id']);
    // What is whole in the very instant in which its client leaves had nothing left to give up.
    if (outcome !== 'completed')
      expect({ id, outcome, gone: gone.has(id) }).toEqual({ id, outcome: 'aborted', gone: true });
    else expect({ id, tokensSent }).toEqual({ id, tokensSent: outputTokens });
  }
  expect(new Set(seen.map(({ headers }) => headers['x-request-id'])).size, 'no request is sent twice').toBe(
    seen.length,
  );
  expect(seen.filter(({ outcome }) => outcome === 'aborted').length).toBeGreaterThan(10);
  expect(visits.filter(({ point, served }) => point === 'never' && !served)).toEqual([]);
}

describe(`${clients} clients that leave at random points`, () => {
  it.each([20_260_822, ...moreSeeds])('give everything back, and overload no backend: seed %s', async (seed) => {
    const policy = { queue: { depth: 1000, wait: '60s' }, tokens: '10M/hour', client: { connections: 1000 } };
    const tokens = { decodeTokensPerSecond: 2_000, outputTokens, firstByteDelayMs: 5 };
    const world = await setup(policy, { slots, backends: [tokens, tokens] });
    const random = seeded(seed);
    const visits = await Promise.all(Array.from({ length: clients }, () => visit(world.gateway.port, random)));
    for (const point of points) expect(visits.filter((one) => one.point === point).length, point).toBeGreaterThan(30);
    await expectNothingHeld(world);
    expectEveryAbortSeen(world, visits);
    await expectAllSlotsUsable(world);
  });
});
