/**
 * A whole system in virtual time: clients that send, a door that decides, engines that work. Nothing in it waits or draws
 * lots on its own, so the same arrivals always make the same history.
 */
import { settled, type VirtualClock } from '@headgate/core/testing';
import type { Arrival, Journey } from './arrival.js';
import type { Door, Pass } from './door.js';
import type { Engine } from './engine.js';
import type { Pulse } from './pulse.js';

export interface WorldOptions {
  readonly pulse: Pulse;
  /** Made with the pulse's own clock. */
  readonly door: Door;
  /** By the name of the backend. */
  readonly engines: Readonly<Record<string, Engine>>;
  readonly arrivals: readonly Arrival[];
  /** Told of every token, when it is written. */
  readonly onToken?: (journey: Journey, nowMs: number) => void;
  /** Told when a request arrives, runs, or ends; its outcome says which. */
  readonly onChange?: (journey: Journey, nowMs: number) => void;
  /** Called whenever something has happened, with all promises settled. */
  readonly onInstant?: (nowMs: number, journeys: readonly Journey[]) => void;
}

export class World {
  readonly #options: WorldOptions;
  readonly journeys: Journey[] = [];
  /** Those that wait or run. */
  readonly live = new Set<Journey>();
  readonly #aborts = new Map<Journey, () => void>();
  readonly #clock: VirtualClock;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#clock = options.pulse.clock;
    for (const arrival of options.arrivals) {
      this.#clock.after(arrival.atMs - this.#clock.now(), () => this.#arrive(arrival));
    }
  }

  /** Runs until then, or until nothing is left to happen. */
  async run(untilMs = Number.POSITIVE_INFINITY): Promise<readonly Journey[]> {
    const { pulse, onInstant } = this.#options;
    const clock = this.#clock;
    for (let next = clock.nextAt; next <= untilMs && next !== Number.POSITIVE_INFINITY; next = clock.nextAt) {
      clock.advance(next - clock.now());
      if (!pulse.take()) continue;
      await settled();
      onInstant?.(clock.now(), this.journeys);
    }
    if (Number.isFinite(untilMs)) clock.advance(untilMs - clock.now());
    return this.journeys;
  }

  /** The client goes, wherever its request is. */
  leave(journey: Journey): void {
    this.#options.pulse.beat();
    this.#aborts.get(journey)?.();
  }

  #arrive(arrival: Arrival): void {
    const { door, onChange } = this.#options;
    const clock = this.#clock;
    const journey: Journey = { arrival, outcome: 'waiting', written: 0, moves: 0 };
    this.journeys.push(journey);
    this.live.add(journey);
    this.#options.pulse.beat();
    onChange?.(journey, clock.now());
    const controller = new AbortController();
    this.#aborts.set(journey, () => controller.abort('left'));
    if (arrival.leavesAfterMs !== undefined) clock.after(arrival.leavesAfterMs, () => this.leave(journey));
    door.ask(arrival, controller.signal).then(
      (answer) => {
        if (answer.admitted) this.#begin(journey, answer.pass);
        else {
          journey.reason = answer.reason;
          if (answer.retryAfterMs !== undefined) journey.retryAfterMs = answer.retryAfterMs;
          this.#end(journey, 'refused');
        }
      },
      (reason: unknown) => {
        if (reason !== 'left') throw reason;
        this.#end(journey, 'left');
      },
    );
  }

  #begin(journey: Journey, pass: Pass): void {
    const { onChange } = this.#options;
    const clock = this.#clock;
    journey.outcome = 'running';
    journey.grantedAtMs = clock.now();
    onChange?.(journey, clock.now());
    this.#start(journey, pass);
  }

  #start(journey: Journey, pass: Pass): void {
    const { engines } = this.#options;
    const { inputTokens, outputTokens, model = '', prefixBlocks = [] } = journey.arrival;
    journey.backend = pass.backend;
    const abort = engines[pass.backend]!.start({
      inputTokens,
      outputTokens,
      model,
      prefixBlocks,
      written: (tokens) => this.#written(journey, pass, tokens),
      ended: () => this.#settle(journey, pass, 'done'),
      failed: () => this.#failed(journey, pass),
    });
    this.#aborts.set(journey, () => {
      abort();
      this.#settle(journey, pass, 'left');
    });
  }

  #written(journey: Journey, pass: Pass, tokens: number): boolean {
    const { onToken } = this.#options;
    const clock = this.#clock;
    journey.firstTokenAtMs ??= clock.now();
    if (!pass.meter(tokens)) return false;
    journey.written += tokens;
    onToken?.(journey, clock.now());
    return true;
  }

  #settle(journey: Journey, pass: Pass, outcome: Journey['outcome']): void {
    this.#options.pulse.beat();
    if (journey.firstTokenAtMs === undefined) pass.cancel();
    else pass.settle(journey.arrival.inputTokens, journey.written);
    this.#end(journey, outcome);
  }

  /** The backend broke: once something was written, that is the end; before, another one may do it. */
  #failed(journey: Journey, pass: Pass): void {
    this.#options.pulse.beat();
    pass.failed?.(journey.written > 0);
    if (journey.written > 0 || pass.move === undefined) {
      this.#settle(journey, pass, 'failed');
      return;
    }
    const controller = new AbortController();
    this.#aborts.set(journey, () => controller.abort('left'));
    journey.moves++;
    pass.move(controller.signal).then(
      (moved) => {
        this.#options.pulse.beat();
        if (moved) this.#start(journey, pass);
        else this.#settle(journey, pass, 'failed');
      },
      (reason: unknown) => {
        if (reason !== 'left') throw reason;
        this.#settle(journey, pass, 'left');
      },
    );
  }

  #end(journey: Journey, outcome: Journey['outcome']): void {
    const { onChange } = this.#options;
    const clock = this.#clock;
    journey.outcome = outcome;
    journey.endedAtMs = clock.now();
    this.#aborts.delete(journey);
    this.live.delete(journey);
    onChange?.(journey, clock.now());
  }
}
