/** A reader of the dashboard's events, as a browser is one. */
import type { Snapshot } from '../../src/dashboard/snapshot.js';
import { atEnd, until } from './harness.js';

export interface EventStream {
  readonly status: number;
  readonly headers: Headers;
  /** All that came, in order. */
  readonly snapshots: readonly Snapshot[];
  /** The same as it came. */
  readonly text: () => string;
  /** Resolves with the first snapshot, from now on, for which this is so. */
  readonly when: (condition: (snapshot: Snapshot) => boolean, what: string) => Promise<Snapshot>;
  /** Resolves once the gateway has ended it. */
  readonly ended: Promise<void>;
  readonly leave: () => void;
}

export async function eventStream(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
  const leaving = new AbortController();
  const answer = await fetch(`${url}/dashboard/events`, { headers, signal: leaving.signal });
  atEnd(async () => leaving.abort());
  const snapshots: Snapshot[] = [];
  let text = '';
  const read = async (): Promise<void> => {
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const frames = [...text.matchAll(/^event: snapshot\ndata: (.*)\n\n/gm)].slice(snapshots.length);
      for (const [, json = ''] of frames) snapshots.push(JSON.parse(json) as Snapshot);
    }
  };
  const ended = answer.ok ? read().catch(() => {}) : Promise.resolve();
  return {
    ...{ status: answer.status, headers: answer.headers, snapshots, ended },
    text: () => text,
    when: async (condition, what) => {
      await until(() => snapshots.some(condition), what);
      return snapshots.find(condition)!;
    },
    leave: () => leaving.abort(),
  };
}
