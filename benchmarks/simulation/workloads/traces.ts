/** The traces of `data/`, as arrivals. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { besideSources } from '../report/place.js';
import type { Arrival } from '../world/arrival.js';
import type { Chance } from '../world/random.js';

export type Trace = 'arena-27clients' | 'azure-llm-2023-conv' | 'servegen-deepseek-r1-60min';

interface Conversation {
  readonly ts_ms: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly hash_ids: readonly number[];
}

/**
 * Requests of conversations, with the prefix blocks of their prompts. The source has them in batches three seconds apart;
 * each is put at random between its batch and the next.
 * @param rate times as fast
 */
export function readConversations(chance: Chance, rate = 1): Arrival[] {
  const rows = linesOf('mooncake-conversation-00-30min.jsonl.gz').map((line) => JSON.parse(line) as Conversation);
  const batches = [...new Set(rows.map((row) => row.ts_ms))];
  const gapOf = new Map(batches.map((atMs, i) => [atMs, (batches[i + 1] ?? atMs + 3_000) - atMs]));
  const arrivals = rows.map((row) => ({
    atMs: (row.ts_ms + chance.next() * gapOf.get(row.ts_ms)!) / rate,
    client: 'all',
    model: 'm',
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    prefixBlocks: row.hash_ids,
  }));
  return arrivals.sort((a, b) => a.atMs - b.atMs);
}

export function readTrace(trace: Trace): Arrival[] {
  const [, ...lines] = linesOf(`${trace}.csv.gz`);
  return lines.map((line) => {
    const [atMs, client = '', inputTokens, outputTokens] = line.split(',');
    return { atMs: Number(atMs), client, inputTokens: Number(inputTokens), outputTokens: Number(outputTokens) };
  });
}

function linesOf(file: string): string[] {
  return gunzipSync(readFileSync(besideSources(`data/${file}`)))
    .toString('utf8')
    .trimEnd()
    .split('\n');
}
