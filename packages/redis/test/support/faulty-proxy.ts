/**
 * A TCP proxy with faults, between a client and a server on this machine. Faults hold for connections that are open and for
 * those that come.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

type Mode = 'passing' | 'refusing' | 'swallowing';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** What has been delayed on its way to a socket: nothing overtakes it. */
interface Way {
  readonly bytes: { readonly part: Buffer; readonly dueAt: number }[];
  timer: NodeJS.Timeout | undefined;
}

export class FaultyProxy {
  readonly #target: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  readonly #ways = new WeakMap<Socket, Way>();
  #mode: Mode = 'passing';
  /** Each way, ms. */
  #latencyMs = 0;
  #losesReplies: 'not' | 'once' | 'and goes' = 'not';
  /** Bytes that reached the server. */
  bytesForwarded = 0;
  connections = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#listener = createServer((client) => this.#accept(client));
  }

  /** @param target port of the server */
  static async start(target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#listener.address() as { port: number }).port;
  }

  /** Delays every byte by this much, each way. */
  delay(latencyMs: number): void {
    this.#latencyMs = latencyMs;
  }

  /** Resets every connection, and each new one at once, until `pass`. */
  cut(): void {
    this.#mode = 'refusing';
    this.#resetAll();
  }

  /** Accepts connections and bytes and answers nothing, until `pass`. What is swallowed is lost. */
  blackHole(): void {
    this.#mode = 'swallowing';
  }

  /** Lets the next commands through to the server and cuts the connection in place of the first reply: once, or everything from then on. */
  loseNextReply(andGo = false): void {
    this.#losesReplies = andGo ? 'and goes' : 'once';
  }

  /** No fault from here on. Connections that were swallowed from are reset, since bytes are missing. */
  pass(): void {
    if (this.#mode === 'swallowing') this.#resetAll();
    this.#mode = 'passing';
    this.#latencyMs = 0;
    this.#losesReplies = 'not';
  }

  async stop(): Promise<void> {
    this.#resetAll();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  #accept(client: Socket): void {
    this.connections++;
    client.on('error', () => {});
    if (this.#mode === 'refusing') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    server.on('error', () => {});
    client.setNoDelay(true);
    const pair = { client, server };
    this.#pairs.add(pair);
    client.on('data', (bytes) => {
      this.bytesForwarded += bytes.length;
      this.#pass(bytes, server);
    });
    server.on('data', (bytes) => {
      const loses = this.#losesReplies;
      if (loses !== 'not') {
        this.#losesReplies = 'not';
        if (loses === 'once') this.#reset(pair);
        else this.cut();
      } else this.#pass(bytes, client);
    });
    client.on('close', () => this.#reset(pair));
    server.on('close', () => this.#reset(pair));
  }

  #pass(part: Buffer, to: Socket): void {
    if (this.#mode !== 'passing') return;
    const way = this.#ways.get(to) ?? { bytes: [], timer: undefined };
    this.#ways.set(to, way);
    if (this.#latencyMs === 0 && way.bytes.length === 0) {
      to.write(part);
      return;
    }
    way.bytes.push({ part, dueAt: performance.now() + this.#latencyMs });
    way.timer ??= setTimeout(() => this.#deliver(way, to), this.#latencyMs);
  }

  #deliver(way: Way, to: Socket): void {
    way.timer = undefined;
    if (to.destroyed || this.#mode !== 'passing') return;
    while (way.bytes.length > 0 && way.bytes[0]!.dueAt <= performance.now()) to.write(way.bytes.shift()!.part);
    const next = way.bytes[0];
    if (next === undefined) return;
    way.timer = setTimeout(() => this.#deliver(way, to), Math.max(0, next.dueAt - performance.now()));
  }

  #reset(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.server.destroy();
    if (!pair.client.destroyed) pair.client.resetAndDestroy();
  }

  #resetAll(): void {
    for (const pair of [...this.#pairs]) this.#reset(pair);
  }
}
