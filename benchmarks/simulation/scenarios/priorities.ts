/** Floods of one priority, and what is left for another. */
import type { Priority } from '@headgate/core';
import { figure, table } from '../../lib/table.js';
import { boundless, type Contestant, headgate } from '../doors/doors.js';
import { firstTokens, type Waits } from '../measures/latency.js';
import { atMost, type Scenario, type Section } from '../report/section.js';
import { steady } from '../workloads/steady.js';
import { firstTokenMs, type Journey } from '../world/arrival.js';
import { play } from '../world/play.js';

const untilMs = 600_000;
const agingMs = 20_000;

const queue = (more: object): object => ({ queue: { ...boundless, ...more } });
const strict = headgate('`priority: strict`, `aging: 20s`', queue({ priority: 'strict', aging: '20s' }));
const contestants = [
  headgate('weighted bands', {}),
  strict,
  headgate('`priority: strict`, no aging', queue({ priority: 'strict', aging: '1000h' })),
];

/** A flood of one priority, and a client of another that sends a request every five seconds. */
async function flood(contestant: Contestant, of: Priority, other: Priority): Promise<readonly Journey[]> {
  const tokens = { inputTokens: 256, outputTokens: 256, untilMs };
  const arrivals = steady([
    { client: 'flood', rate: 5, priority: of, ...tokens },
    { client: 'other', rate: 0.2, offset: 1.37, priority: other, ...tokens },
  ]);
  return play(contestant, { arrivals, untilMs });
}

const ofOther = (journeys: readonly Journey[]): Journey[] =>
  journeys.filter(({ arrival }) => arrival.client === 'other');

/**
 * How many were let through between the moment a request had waited `aging` and its own turn, beyond the two for each of its
 * band that were as old and ahead of it. Never above one.
 */
export function turnsTooMany(journeys: readonly Journey[]): number {
  const granted = journeys
    .filter(({ grantedAtMs }) => grantedAtMs !== undefined)
    .sort((a, b) => a.grantedAtMs! - b.grantedAtMs!);
  let most = 0;
  for (const one of ofOther(journeys)) {
    const { arrival, grantedAtMs } = one;
    const agedAtMs = arrival.atMs + agingMs;
    if (grantedAtMs === undefined || grantedAtMs <= agedAtMs) continue;
    const between = granted.filter((each) => each.grantedAtMs! > agedAtMs && each.grantedAtMs! < grantedAtMs);
    const ahead = ofOther(between).filter((each) => each.arrival.atMs < arrival.atMs).length;
    most = Math.max(most, between.length - 2 * ahead);
  }
  return most;
}

export async function measureStrictFlood() {
  const journeys = await flood(strict, 'high', 'low');
  const waits = ofOther(journeys).map(firstTokenMs);
  return { tooMany: turnsTooMany(journeys), longestMs: Math.max(...waits.map((ms) => ms ?? 0)) };
}

export const prioritiesScenario: Scenario = {
  name: 'priorities',
  async run(): Promise<Section> {
    const rows: string[][] = [];
    for (const contestant of contestants) {
      const low = firstTokens(ofOther(await flood(contestant, 'high', 'low')));
      const high = firstTokens(ofOther(await flood(contestant, 'low', 'high')));
      rows.push([contestant.name, ...columns(low), ...columns(high)]);
    }
    const { tooMany, longestMs } = await measureStrictFlood();
    return {
      title: 'Floods and priorities',
      text: `A flood of five requests a second, three times what the server makes, for ten minutes; beside it a client of another priority with a request every five seconds. First tokens of that
client, of its requests that were served within the ten minutes:

${table(['', 'low behind a flood of high: mean, s', 'p95, s', 'served', 'high behind a flood of low: mean, s', 'p95, s', 'served'], rows)}

With \`aging\` a request that has waited so long is let through after at most two for each one of its band that is as old and ahead of it: at most ${tooMany} other${tooMany === 1 ? '' : 's'} here.`,
      aims: [
        atMost('strict flood: others let through before a request that has aged', tooMany, 1),
        atMost('strict flood: longest wait of low for a first token', longestMs / 1_000, 20 + 3 * 12, ' s'),
      ],
    };
  },
};

function columns({ meanMs, p95Ms, served }: Waits): string[] {
  return [figure(meanMs / 1_000), figure(p95Ms / 1_000), `${figure(100 * served)} %`];
}
