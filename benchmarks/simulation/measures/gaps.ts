/**
 * The quantity that the fairness bound is about: for each pair of clients, how far apart their service by weight drifts while
 * requests of both wait. Watched token by token.
 */
import type { Journey } from '../world/arrival.js';

interface Client {
  readonly name: string;
  readonly weight: number;
  service: number;
  readonly waiting: Set<Journey>;
}

interface Pair {
  low: number;
  high: number;
}

export class PairGaps {
  readonly #clients = new Map<string, Client>();
  /** Pairs of which both wait now. */
  readonly #pairs = new Map<string, Pair>();
  #largest = 0;

  /** The furthest that any pair drifted apart while both of it waited. */
  get largest(): number {
    return this.#largest;
  }

  readonly onToken = ({ arrival, written }: Journey): void => {
    const client = this.#client(arrival.client, arrival.weight);
    client.service += (2 + (written === 1 ? arrival.inputTokens : 0)) / client.weight;
    if (client.waiting.size === 0) return;
    for (const other of this.#clients.values()) {
      if (other !== client && other.waiting.size > 0) this.#drifted(client, other);
    }
  };

  readonly onChange = (journey: Journey): void => {
    const { arrival, outcome } = journey;
    const client = this.#client(arrival.client, arrival.weight);
    if (outcome === 'waiting') {
      client.waiting.add(journey);
      return;
    }
    if (!client.waiting.delete(journey) || client.waiting.size > 0) return;
    // It no longer waits, so what comes later begins anew.
    for (const key of this.#pairs.keys()) if (key.split('\n').includes(client.name)) this.#pairs.delete(key);
  };

  #client(name: string, weight = 1): Client {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = { name, weight, service: 0, waiting: new Set() };
      this.#clients.set(name, client);
    }
    return client;
  }

  #drifted(one: Client, other: Client): void {
    const [a, b] = one.name < other.name ? [one, other] : [other, one];
    const key = `${a.name}\n${b.name}`;
    const ahead = a.service - b.service;
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      pair = { low: ahead, high: ahead };
      this.#pairs.set(key, pair);
    }
    pair.low = Math.min(pair.low, ahead);
    pair.high = Math.max(pair.high, ahead);
    this.#largest = Math.max(this.#largest, pair.high - pair.low);
  }
}
