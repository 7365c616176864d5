/**
 * What counting a stream costs: the answers of each dialect through its meter, with a budget that is asked about every
 * token, in chunks of one event (a model that streams slowly) and of 16 KiB (a backend that runs ahead of its reader).
 * Beside it the same chunks through a meter that looks at nothing.
 */
import type { AnswerMeter } from '@headgate/core';
import { type Contestant, type Pace, runRounds } from '../lib/rounds.js';
import { ratios, type Spread, spread } from '../lib/statistics.js';
import { meterOf, type StreamedAnswer, streamedAnswers } from './answers.js';

export interface Metering {
  readonly dialect: string;
  readonly chunks: 'an event' | '16 KiB';
  readonly megabytesPerS: Spread;
  readonly nsPerToken: Spread;
  /** Time against the same chunks without a meter. */
  readonly timesUnmetered: Spread;
}

const chunkBytes = 16 * 1024;

export function chunksOf(answer: StreamedAnswer, kind: Metering['chunks']): Uint8Array[] {
  if (kind === 'an event') return answer.events.map((event) => Buffer.from(event));
  const whole = Buffer.from(answer.events.join(''));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += chunkBytes) chunks.push(whole.subarray(at, at + chunkBytes));
  return chunks;
}

/** Bytes that came out, and tokens that the budget was asked about. */
export interface Passed {
  bytes: number;
  tokens: number;
}

export function passThrough(meter: AnswerMeter, chunks: readonly Uint8Array[], passed: Passed): void {
  const onTokens = (count: number): 'continue' => {
    passed.tokens += count;
    return 'continue';
  };
  for (const chunk of chunks) passed.bytes += meter.push(chunk, onTokens).bytes?.length ?? 0;
  passed.bytes += meter.end().bytes?.length ?? 0;
}

/** A "decision" of these rows is one answer; it admits when every byte came out and the backend's usage was read. */
function metered(answer: StreamedAnswer, chunks: readonly Uint8Array[], bytes: number): Contestant {
  const nextMeter = meterOf(answer);
  return {
    name: `${answer.dialect}, metered`,
    admits: true,
    run(times) {
      let whole = 0;
      for (let i = 0; i < times; i++) {
        const meter = nextMeter();
        const passed = { bytes: 0, tokens: 0 };
        passThrough(meter, chunks, passed);
        if (passed.bytes === bytes && passed.tokens > 0 && meter.usage?.outputTokens === answer.tokens) whole++;
      }
      return whole;
    },
  };
}

const blind: AnswerMeter = {
  usage: undefined,
  outputTokens: 0,
  complete: true,
  push: (chunk) => ({ bytes: chunk, stopped: false }),
  end: () => ({ bytes: undefined, complete: true }),
  finish: () => new Uint8Array(0),
  fail: () => new Uint8Array(0),
};

function unmetered(answer: StreamedAnswer, chunks: readonly Uint8Array[], bytes: number): Contestant {
  return {
    name: `${answer.dialect}, not metered`,
    admits: true,
    run(times) {
      let whole = 0;
      for (let i = 0; i < times; i++) {
        const passed = { bytes: 0, tokens: 0 };
        passThrough(blind, chunks, passed);
        if (passed.bytes === bytes) whole++;
      }
      return whole;
    },
  };
}

export async function measureMeters(pace: Pace): Promise<Metering[]> {
  const results: Metering[] = [];
  for (const answer of streamedAnswers) {
    for (const kind of ['an event', '16 KiB'] as const) {
      const chunks = chunksOf(answer, kind);
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      const [with_, without] = await runRounds(
        [metered(answer, chunks, bytes), unmetered(answer, chunks, bytes)],
        pace,
      );
      results.push({
        dialect: answer.dialect,
        chunks: kind,
        megabytesPerS: spread(with_!.ns.map((ns) => (bytes / ns) * 1e3)),
        nsPerToken: spread(with_!.ns.map((ns) => ns / answer.tokens)),
        timesUnmetered: ratios(with_!.ns, without!.ns),
      });
    }
  }
  return results;
}
