/** Headgate's own limiter: the classes that users run, on virtual time. */
import type { Backend, Limiter, Permit } from '@headgate/core';
import type { Arrival } from '../world/arrival.js';
import type { Answer, Door, Pass } from '../world/door.js';

export class HeadgateDoor implements Door {
  readonly limiter: Limiter;

  constructor(limiter: Limiter) {
    this.limiter = limiter;
  }

  async ask(arrival: Arrival, signal: AbortSignal): Promise<Answer> {
    const { client, model, inputTokens, weight, priority, prefixBlocks = [] } = arrival;
    const request = {
      identity: {
        id: client,
        ...(weight === undefined ? {} : { weight }),
        ...(priority === undefined ? {} : { priority }),
      },
      input: { texts: prefixBlocks.map(textOf), messages: 0, images: 0, inputTokensKnown: inputTokens },
      stream: true,
      ...(model === undefined ? {} : { model }),
    };
    const decision = await this.limiter.admit(request, { signal });
    if (!decision.admitted) {
      const { reason, retryAfterMs } = decision.refusal;
      return { admitted: false, reason, retryAfterMs };
    }
    return { admitted: true, pass: new PermitPass(this.limiter, decision.permit) };
  }
}

/** A block of a prompt as text, as long as those by which prompts are compared; where it ends counts as a character. */
function textOf(block: number): string {
  return String(block).padEnd(511, '.');
}

class PermitPass implements Pass {
  readonly #limiter: Limiter;
  readonly #permit: Permit;
  readonly #tried = new Set<Backend>();

  constructor(limiter: Limiter, permit: Permit) {
    this.#limiter = limiter;
    this.#permit = permit;
  }

  get backend(): string {
    return this.#permit.backend?.name ?? '';
  }

  meter(tokens: number): boolean {
    return this.#permit.meter(tokens) === 'continue';
  }

  settle(inputTokens: number, outputTokens: number): void {
    this.#permit.settle({ inputTokens, outputTokens });
  }

  cancel(): void {
    this.#permit.cancel();
  }

  failed(hasBegun: boolean): void {
    this.#permit.failed(hasBegun ? 'died' : 'reset');
  }

  async move(signal: AbortSignal): Promise<boolean> {
    const { backend } = this.#permit;
    if (backend !== undefined) this.#tried.add(backend);
    return (await this.#limiter.moveBackend(this.#permit, this.#tried, { signal })) === undefined;
  }
}
