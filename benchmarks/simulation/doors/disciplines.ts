/** The orders that Headgate's queue is compared with. */
import type { Discipline, Ticket } from './discipline.js';

const nothing = (): void => {};

export function firstCome(): Discipline {
  return { arrived: nothing, next: ([first]) => first!, began: nothing, streamed: nothing, ended: nothing };
}

/** One request of each client in turn, whatever its size. */
export function roundRobin(): Discipline {
  const turns = new Map<string, number>();
  let turn = 0;
  return {
    arrived: nothing,
    next: (waiting) => least(waiting, ({ arrival }) => turns.get(arrival.client) ?? -1),
    began: ({ arrival }) => turns.set(arrival.client, turn++),
    streamed: nothing,
    ended: nothing,
  };
}

/** The virtual token counter as published, output charged as it streams: no prediction. */
export function plainCounters(): Discipline {
  const counters = new Map<string, number>();
  const of = (ticket: Ticket): number => counters.get(ticket.arrival.client) ?? 0;
  const add = (ticket: Ticket, virtual: number): void => {
    counters.set(ticket.arrival.client, of(ticket) + virtual / (ticket.arrival.weight ?? 1));
  };
  return {
    arrived: (ticket, waiting) => {
      const others = waiting.filter(({ arrival }) => arrival.client !== ticket.arrival.client);
      if (others.length < waiting.length || others.length === 0) return;
      counters.set(ticket.arrival.client, Math.max(of(ticket), Math.min(...others.map(of))));
    },
    next: (waiting) => least(waiting, of),
    began: (ticket) => add(ticket, ticket.arrival.inputTokens),
    streamed: (ticket, tokens) => add(ticket, 2 * tokens),
    ended: nothing,
  };
}

function least(waiting: readonly Ticket[], keyOf: (ticket: Ticket) => number): Ticket {
  let best: Ticket | undefined;
  let bestKey = Number.POSITIVE_INFINITY;
  for (const ticket of waiting) {
    const key = keyOf(ticket);
    if (key < bestKey) [best, bestKey] = [ticket, key];
  }
  return best!;
}
