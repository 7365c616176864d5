/** What the figures are held against. Each aim names the two rows it compares, so that it can be read without this file. */
import { type DecisionScenario, rowNames } from './decisions.js';
import type { DecisionRow, Result } from './tasks.js';

export interface Aim {
  readonly aim: string;
  readonly measured: string;
  readonly holds: boolean;
}

export class Results {
  readonly all: readonly Result[];

  constructor(all: readonly Result[]) {
    this.all = all;
  }

  of<Kind extends Result['kind']>(kind: Kind): Extract<Result, { kind: Kind }>[] {
    return this.all.filter((one): one is Extract<Result, { kind: Kind }> => one.kind === kind);
  }

  decisions(scenario: DecisionScenario): DecisionRow[] {
    return this.of('decision')
      .map(({ row }) => row)
      .filter((row) => row.scenario === scenario);
  }

  /** How many times as long one row takes as another, each measured beside the floor. */
  times(scenario: DecisionScenario, name: string, than: string): number {
    const rows = this.decisions(scenario);
    const timesFloor = (of: string): number => {
      const row = rows.find((one) => one.name === of);
      if (row === undefined) throw new Error(`${scenario} has no row ${of}`);
      return row.timesFloor.median;
    };
    return timesFloor(name) / timesFloor(than);
  }
}

const keysIn = { hot: 'one hot key', many: 'many keys' } as const;

export function aims(results: Results): Aim[] {
  return (['hot', 'many'] as const)
    .filter((where) => results.decisions(`one-${where}`).length > 0)
    .flatMap((where) => decisionAims(results, where))
    .concat(memoryAims(results), flatnessAims(results), waitingAims(results));
}

function decisionAims(results: Results, where: keyof typeof keysIn): Aim[] {
  const { floor, store, storeRefused, admission, refusal, life, peer, peerOfThree, peerOfThreeCorrected } = rowNames;
  const atMost = (limits: 'one' | 'six', name: string, most: number, than: string): Aim => {
    const times = results.times(`${limits}-${where}`, name, than);
    const factor = most === 1 ? 'less than' : `at most ${most}x`;
    return {
      aim: `${keysIn[where]}, ${limits === 'one' ? 'one limit' : 'six limits'}: ${name}: ${factor} ${than}`,
      measured: `${times.toFixed(2)}x`,
      holds: times <= most,
    };
  };
  return [
    atMost('one', store, 3, floor),
    atMost('one', admission, 3, floor),
    atMost('one', store, 0.5, peer),
    atMost('one', admission, 0.5, peer),
    atMost('six', store, 1, peerOfThree),
    atMost('six', admission, 1, peerOfThree),
    atMost('six', life, 1, peerOfThreeCorrected),
    atMost('one', storeRefused, 1, store),
    atMost('one', refusal, 1, admission),
    atMost('six', storeRefused, 1, store),
    atMost('six', refusal, 1, admission),
  ];
}

const bytesMost = 150;

function memoryAims(results: Results): Aim[] {
  return results
    .of('memory')
    .filter(({ row }) => row.scenario.startsWith('headgate'))
    .map(({ row }) => ({
      aim: `${row.scenario}: under ${bytesMost} bytes per key per limit`,
      measured: `${Math.round(row.bytesPerKeyPerLimit)} bytes`,
      holds: row.bytesPerKeyPerLimit < bytesMost,
    }));
}

/** One key among many must cost what it costs alone; all keys in random order, what memory itself makes dearer. */
function flatnessAims(results: Results): Aim[] {
  const rows = results.of('flatness').flatMap((one) => one.rows);
  const most = Math.max(...rows.map(({ keys }) => keys));
  const growth = (who: string, asked: string): number =>
    rows.find((row) => row.keys === most && row.who === who && row.asked === asked)!.growth.median;
  const among = growth('headgate', 'one key');
  const ours = growth('headgate', 'all keys');
  const floors = growth('floor', 'all keys');
  const count = most.toLocaleString('en-US');
  return [
    {
      aim: `admitNow, one key among ${count}: at most 2x one key alone`,
      measured: `${among.toFixed(2)}x`,
      holds: among <= 2,
    },
    {
      aim: `admitNow, ${count} keys in random order: grows no more than the floor does`,
      measured: `${ours.toFixed(2)}x, floor ${floors.toFixed(2)}x`,
      holds: ours <= floors,
    },
  ];
}

/** A queue that looked at everyone would be a hundred times as dear; one that looks at a logarithm of them is not. */
const growthMost = 4;

function waitingAims(results: Results): Aim[] {
  return results
    .of('waiting')
    .flatMap(({ rows }) => rows)
    .filter(({ waiting }) => waiting === 10_000)
    .map(({ fairness, growth }) => ({
      aim: `the queue with 10,000 waiting, fairness ${fairness}: at most ${growthMost}x a hundred waiting`,
      measured: `${growth.median.toFixed(2)}x`,
      holds: growth.median <= growthMost,
    }));
}
