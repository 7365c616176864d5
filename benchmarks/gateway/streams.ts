/**
 * Streams, opened when their time has come whether or not earlier ones have ended: a slow contestant does not slow its own
 * load. Events hold the backend's instants, so each way is measured by itself and the backend's own lateness drops out.
 */
import { connect, type Socket } from 'node:net';
import { Chance } from '../simulation/world/random.js';
import { requestBytes } from './workloads.js';

export interface StreamTimes {
  /** To the backend and its first event back, ms. */
  readonly firstByteMs: number[];
  /** Of every other event on its way back, ms. */
  readonly chunkMs: number[];
  ended: number;
  failed: number;
}

export const newTimes = (): StreamTimes => ({ firstByteMs: [], chunkMs: [], ended: 0, failed: 0 });

const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);
const stamps = /"content":"((?: \d+)+)"/g;

interface Place {
  readonly port: number;
  readonly headers?: readonly string[] | undefined;
}

/** One connection and the stream that it carries. */
class Line {
  readonly #times: () => StreamTimes;
  readonly #onEnd: (line: Line) => void;
  readonly #request: string;
  readonly socket: Socket;
  #sentUs = 0;
  #rest = '';
  #busy = false;

  constructor({ port, headers }: Place, run: number, times: () => StreamTimes, onEnd: (line: Line) => void) {
    this.#times = times;
    this.#onEnd = onEnd;
    this.#request = requestBytes(true, run, headers);
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.#onData(chunk.toString('latin1')));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      if (this.#busy) this.#times().failed += 1;
      this.#busy = false;
    });
  }

  send(): void {
    this.#busy = true;
    this.#rest = '';
    this.#sentUs = nowUs();
    this.socket.write(this.#request);
  }

  /** Not counted as failed: it is we who end it. */
  close(): void {
    this.#busy = false;
    this.socket.resetAndDestroy();
  }

  #onData(text: string): void {
    const receivedUs = nowUs();
    const all = this.#rest + text;
    for (const [, content] of all.matchAll(stamps)) {
      const [first, second] = content!.trim().split(' ').map(Number) as [number, number?];
      if (second === undefined) this.#times().chunkMs.push((receivedUs - first) / 1_000);
      else this.#times().firstByteMs.push((first - this.#sentUs + receivedUs - second) / 1_000);
    }
    if (all.endsWith('\r\n0\r\n\r\n')) {
      this.#busy = false;
      this.#times().ended += 1;
      this.#onEnd(this);
    } else this.#rest = all.slice(Math.max(0, all.lastIndexOf('}\n\n') + 1)).slice(-400);
  }
}

export interface StreamLoad extends Place {
  /** Streams begun each second. */
  readonly perSecond: number;
  /** Nothing is measured of the streams of this time. */
  readonly rampMs: number;
  readonly ms: number;
  readonly seed: number;
  /** Called when the ramp is over, and when the time is. */
  readonly onWindow: (edge: 'begin' | 'end') => void;
}

/** Random arrivals at a steady rate; resolves when the time is over and the streams that are left have ended. */
export async function streamLoad({
  perSecond,
  rampMs,
  ms,
  seed,
  onWindow,
  ...place
}: StreamLoad): Promise<StreamTimes> {
  // The same arrivals for every contestant of a round.
  const chance = new Chance(seed);
  const unmeasured = newTimes();
  const measured = newTimes();
  let times = unmeasured;
  const idle: Line[] = [];
  const all = new Set<Line>();
  const begin = performance.now();
  // Exponential, as arrivals are that know nothing of each other.
  const between = (): number => chance.wait(1_000 / perSecond);
  let dueMs = 0;
  await new Promise<void>((resolve) => {
    const step = (): void => {
      const nowMs = performance.now() - begin;
      if (times === unmeasured && nowMs >= rampMs) {
        times = measured;
        onWindow('begin');
      }
      if (nowMs >= rampMs + ms) {
        onWindow('end');
        resolve();
        return;
      }
      for (; dueMs <= nowMs; dueMs += between()) {
        let line = idle.pop();
        while (line?.socket.destroyed === true) line = idle.pop();
        if (line === undefined) {
          line = new Line(
            place,
            all.size,
            () => times,
            (free) => idle.push(free),
          );
          all.add(line);
        }
        line.send();
      }
      setTimeout(step, 1);
    };
    step();
  });
  for (const line of all) line.close();
  return measured;
}

/** Opens streams a few at a time and holds them; the function closes them all. */
export async function hold(place: Place, count: number): Promise<{ readonly times: StreamTimes; close(): void }> {
  const times = newTimes();
  const lines: Line[] = [];
  while (lines.length < count) {
    for (let some = 0; some < 25 && lines.length < count; some++) {
      const line = new Line(
        place,
        lines.length,
        () => times,
        () => {},
      );
      line.send();
      lines.push(line);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    times,
    close: () => {
      for (const line of lines) line.close();
    },
  };
}
