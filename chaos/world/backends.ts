/** The simulated servers, what each of them saw, and what goes wrong in them. */
import { type FakeOllama, startFakeOllama } from '@headgate/fake-ollama';
import type { Served } from '../history.js';
import type { backendFaults } from '../plan.js';

type BackendFault = (typeof backendFaults)[number];
type Faults = Parameters<FakeOllama['set']>[0];

/** Requests that suffer, or values for as long as the fault lasts. */
const faultsOf: Readonly<Record<Exclude<BackendFault, 'crash'>, Faults>> = {
  503: { status: 503, times: 4 },
  reset: { resetBeforeFirstByte: true, times: 4 },
  dies: { dieAfterTokens: 3, times: 3 },
  stalls: { stallAfterTokens: 2, times: 2 },
  hangs: { hang: true },
  short: { silentEndAfterTokens: 2, times: 3 },
  slow: { firstByteDelayMs: 300, healthDelayMs: 200 },
};
const noFaults: Faults = {
  ...{ status: undefined, resetBeforeFirstByte: false, dieAfterTokens: undefined, stallAfterTokens: undefined },
  ...{ hang: false, silentEndAfterTokens: undefined, firstByteDelayMs: 0, healthDelayMs: 0, times: undefined },
};

export class Backend {
  readonly name: string;
  readonly served: Served[] = [];
  #server: FakeOllama;
  #isDown = false;

  private constructor(name: string, server: FakeOllama) {
    this.name = name;
    this.#server = server;
  }

  static async start(name: string): Promise<Backend> {
    return new Backend(name, await serverOn(0));
  }

  get port(): number {
    return this.#server.port;
  }

  /** Requests that run now. */
  get running(): number {
    return this.#server.stats().running;
  }

  async fault(kind: BackendFault, forMs: number): Promise<void> {
    if (kind === 'crash') {
      if (this.#isDown) return;
      this.#isDown = true;
      await this.#server.close();
      this.note();
      await pause(forMs);
      this.#server = await serverOn(this.#server.port);
      this.#isDown = false;
      return;
    }
    this.#server.set(faultsOf[kind]);
    await pause(forMs);
    this.#server.set(noFaults);
  }

  heal(): void {
    this.#server.set(noFaults);
  }

  hang(): void {
    this.#server.set({ hang: true });
  }

  /** Writes down the requests that have ended, and forgets them. */
  note(): void {
    const { seen } = this.#server;
    const open = seen.filter(({ endedAt }) => endedAt === undefined);
    for (const { path, headers, startedAt, endedAt, outcome = '', tokensSent } of seen) {
      if (endedAt === undefined || path !== '/api/chat') continue;
      this.served.push({
        ...{ backend: this.name, gateway: headers['x-gateway'] ?? '', requestId: headers['x-request-id'] ?? '' },
        ...{ from: startedAt, to: endedAt, outcome, tokens: tokensSent },
      });
    }
    seen.splice(0, seen.length, ...open);
  }

  async close(): Promise<void> {
    await this.#server.close();
  }
}

function serverOn(port: number): Promise<FakeOllama> {
  // More at once than a gateway may ever send, so that what is oversold is seen and not queued here.
  return startFakeOllama({ port, numParallel: 64, decodeTokensPerSecond: 100 });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
