/**
 * A door of counted slots in front of one engine, and what it is compared by: in which order those who wait go. Written for
 * comparison only, as plainly as possible.
 */
import type { Arrival } from '../world/arrival.js';
import type { Answer, Door, Pass } from '../world/door.js';

export interface Ticket {
  readonly arrival: Arrival;
  /** Order of arrival. */
  readonly number: number;
}

export interface Discipline {
  arrived(ticket: Ticket, waiting: readonly Ticket[]): void;
  /** Who goes next; there is somebody. */
  next(waiting: readonly Ticket[]): Ticket;
  began(ticket: Ticket): void;
  streamed(ticket: Ticket, tokens: number): void;
  ended(ticket: Ticket, outputTokens: number): void;
}

export class DisciplineDoor implements Door {
  readonly #discipline: Discipline;
  readonly #backend: string;
  #free: number;
  #number = 0;
  readonly #waiting = new Map<Ticket, (answer: Answer) => void>();

  constructor(discipline: Discipline, slots: number, backend: string) {
    this.#discipline = discipline;
    this.#free = slots;
    this.#backend = backend;
  }

  ask(arrival: Arrival, signal: AbortSignal): Promise<Answer> {
    const ticket = { arrival, number: this.#number++ };
    return new Promise((resolve, reject) => {
      this.#discipline.arrived(ticket, [...this.#waiting.keys()]);
      this.#waiting.set(ticket, resolve);
      signal.addEventListener('abort', () => {
        if (this.#waiting.delete(ticket)) reject(signal.reason);
      });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#free > 0 && this.#waiting.size > 0) {
      const ticket = this.#discipline.next([...this.#waiting.keys()]);
      const resolve = this.#waiting.get(ticket)!;
      this.#waiting.delete(ticket);
      this.#free--;
      this.#discipline.began(ticket);
      resolve({ admitted: true, pass: this.#pass(ticket) });
    }
  }

  #pass(ticket: Ticket): Pass {
    const end = (outputTokens: number): void => {
      this.#discipline.ended(ticket, outputTokens);
      this.#free++;
      this.#dispatch();
    };
    return {
      backend: this.#backend,
      meter: (tokens) => {
        this.#discipline.streamed(ticket, tokens);
        return true;
      },
      settle: (_, outputTokens) => end(outputTokens),
      cancel: () => end(0),
    };
  }
}
