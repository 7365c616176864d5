/** What an answer is charged once it is over, however it ended. */
import type { Operation, Usage } from '../model.js';
import type { AnswerMeter } from './dialect.js';
import type { Passage } from './passage.js';

export interface AnswerEnd {
  /** Undefined when there never was a head. */
  readonly status: number | undefined;
  /** Undefined when the body could not be read, or there was none. */
  readonly meter: AnswerMeter | undefined;
  /** The body was compressed by the handler. */
  readonly unread: boolean;
  /** `cut`: by us, in the middle. `gone`: the client left, or the handler broke off. */
  readonly how: 'delivered' | 'cut' | 'gone';
  /** Whoever leaves pays for what the backend was expected to produce. */
  readonly chargesAll: boolean;
}

const producing: readonly Operation[] = ['generate', 'chat', 'embed'];

export function producesTokens(operation: Operation): boolean {
  return producing.includes(operation);
}

const nothing: Usage = { inputTokens: 0, outputTokens: 0 };

/** Absent numbers fall back to what was metered, then to the reservation; see `Permit.settle`. */
export function usageOf({ route, reading, permit }: Passage, end: AnswerEnd): Usage {
  const { meter, how, status } = end;
  const reported = meter?.usage;
  if (reported !== undefined && meter!.complete) return reported;
  if (!producesTokens(reading?.operation ?? route.operation)) return reported ?? nothing;
  // An answer we could not read cost what such answers usually do.
  if (end.unread) return {};
  const counted = Math.max(permit.metered, meter?.outputTokens ?? 0, reported?.outputTokens ?? 0);
  const known = reported?.inputTokens === undefined ? {} : { inputTokens: reported.inputTokens };
  if (how === 'gone' && end.chargesAll) {
    return { ...known, outputTokens: Math.max(counted, permit.reserved.outputTokens) };
  }
  // An error instead of an answer: the request counts, no tokens do.
  if (how === 'delivered' && status! >= 400) return { inputTokens: 0, ...known, outputTokens: counted };
  if (how === 'delivered' && counted === 0 && meter !== undefined) return known;
  return { ...known, outputTokens: counted };
}
