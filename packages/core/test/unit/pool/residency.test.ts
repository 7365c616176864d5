import { describe, expect, test } from 'vitest';
import { noPrefix, prefixOf } from '../../../src/pool/affinity.js';
import { Residency, type SwapView } from '../../../src/pool/residency.js';
import { blocks } from '../../support/pool.js';

const second = 1_000;
const loadMs = 8 * second;
const holdMs = 6 * second;

const view = (wanted: readonly string[] = []): SwapView => ({
  wanted: (model) => wanted.includes(model),
  slots: 1,
  loadMs: () => loadMs,
  drainMs: (requests) => requests * holdMs,
});
const free = view();

class Gpu {
  readonly residency = new Residency();

  /** Sends a request and sees its first byte. */
  serves(model: string, now = 0): this {
    this.residency.take(model, noPrefix, now, free);
    this.residency.answered(model);
    return this;
  }

  ends(model: string): this {
    this.residency.release(model);
    return this;
  }

  lists(...models: string[]): this {
    this.residency.listed(
      models.map((model) => ({ model })),
      1,
      0,
    );
    return this;
  }

  /** A backend that is known to hold one model at a time, and holds this one. */
  static ofOne(model: string): Gpu {
    return new Gpu().lists('other').lists(model);
  }

  readyMs(model: string, now = 0, overdue = false, others = free, waitMs = 0): number {
    return this.residency.readyMs(model, waitMs, { now, overdue }, others);
  }
}

describe('what a model costs', () => {
  test('nothing where it is resident, its load where it is not, the rest of it while it is loading', () => {
    const gpu = new Gpu();
    expect(gpu.readyMs('a')).toBe(loadMs);
    gpu.residency.take('a', noPrefix, 0, free);
    expect([gpu.readyMs('a', 3 * second), gpu.readyMs('a', 20 * second)]).toEqual([5 * second, 0]);
    gpu.residency.answered('a');
    expect(gpu.readyMs('a', second)).toBe(0);
  });

  test('nothing more while there is a place', () => {
    const gpu = new Gpu().serves('a');
    expect(gpu.residency.hasPlace('b')).toBe(true);
    expect(gpu.readyMs('b')).toBe(loadMs);
  });

  test('the place of one that nobody uses or waits for, if need be', () => {
    const gpu = Gpu.ofOne('a');
    expect(gpu.residency.mustEvict('b')).toBe(true);
    expect(gpu.readyMs('b')).toBe(loadMs);
  });

  test('too much while the other one is used or waited for, unless the request is overdue and the slice over', () => {
    const gpu = Gpu.ofOne('a');
    expect(gpu.readyMs('b', second, false, view(['a']))).toBe(Number.POSITIVE_INFINITY);
    gpu.serves('a', second);
    expect(gpu.readyMs('b', second)).toBe(Number.POSITIVE_INFINITY);
    const sliceEnds = 3 * (loadMs + holdMs);
    expect(gpu.readyMs('b', sliceEnds - 1, true)).toBe(Number.POSITIVE_INFINITY);
    expect(gpu.readyMs('b', sliceEnds, false)).toBe(Number.POSITIVE_INFINITY);
    expect(gpu.readyMs('b', sliceEnds, true)).toBe(loadMs + holdMs);
  });
});

describe('the wait for a slot', () => {
  test('comes before the prompt, runs beside the end of those who give way, and ends before a load begins', () => {
    const gpu = Gpu.ofOne('a');
    expect(gpu.readyMs('a', 0, false, free, 2 * second)).toBe(2 * second);
    expect(gpu.readyMs('b', 0, false, free, 2 * second)).toBe(2 * second + loadMs);
    gpu.serves('a');
    const late = 1_000 * second;
    expect(gpu.readyMs('b', late, true, free, 2 * second)).toBe(holdMs + loadMs);
    expect(gpu.readyMs('b', late, true, free, 20 * second)).toBe(20 * second + loadMs);
  });
});

describe('who gives way', () => {
  test('the least recently used of those that nobody needs', () => {
    const gpu = new Gpu().lists('x', 'y').lists('a', 'b');
    gpu.serves('a').ends('a').serves('b').ends('b').serves('a').ends('a');
    gpu.residency.take('c', noPrefix, 0, free);
    expect(gpu.residency.models).toEqual(['a', 'c']);
  });

  test('where all are needed the one with the fewest requests, of those that had their slice', () => {
    const gpu = new Gpu().lists('x', 'y').lists('a', 'b');
    gpu.serves('a').serves('a').serves('b');
    gpu.residency.take('c', noPrefix, 100 * second, free);
    expect(gpu.residency.models).toEqual(['a', 'c']);
  });

  test('is gone at once: its next request is not sent after the one that replaces it', () => {
    const gpu = Gpu.ofOne('a').serves('a');
    gpu.residency.take('b', noPrefix, 100 * second, free);
    expect([gpu.residency.has('a'), gpu.residency.has('b')]).toEqual([false, true]);
    // The backend still shows it while its last request ends; that is no reason to believe it stays.
    gpu.lists('a');
    expect(gpu.residency.has('a')).toBe(false);
    gpu.ends('a');
    gpu.residency.answered('b');
    gpu.lists('b');
    expect(gpu.residency.models).toEqual(['b']);
  });

  test('and is asked for again is there once it is listed, also when that request has left', () => {
    const gpu = Gpu.ofOne('a');
    gpu.residency.take('b', noPrefix, 0, free);
    gpu.residency.take('a', noPrefix, 0, free);
    expect(gpu.ends('a').residency.models).toEqual([]);
    expect(gpu.lists('a').residency.models).toEqual(['a']);
  });
});

describe("a backend's listing", () => {
  test('brings what others loaded there and takes what is gone', () => {
    const gpu = new Gpu().serves('a').ends('a').lists('a', 'b');
    expect(gpu.residency.models).toEqual(['a', 'b']);
    expect(gpu.lists('b').residency.models).toEqual(['b']);
  });

  test('is older than what is in flight', () => {
    const gpu = new Gpu();
    gpu.residency.take('a', noPrefix, 0, free);
    expect(gpu.lists().residency.models).toEqual(['a']);
    gpu.residency.answered('a');
    gpu.ends('a');
    expect(gpu.lists().residency.models).toEqual([]);
  });

  test('teaches how many fit: when one goes as another comes, no more than are left', () => {
    const gpu = new Gpu().lists('a');
    expect(gpu.residency.mustEvict('b')).toBe(false);
    gpu.lists('b');
    expect(gpu.residency.mustEvict('c')).toBe(true);
    gpu.lists('b', 'c');
    expect(gpu.residency.mustEvict('d')).toBe(true);
    gpu.residency.release('b');
    expect(gpu.lists('c').residency.mustEvict('d')).toBe(false);
  });

  test('that shows one gone while another is being loaded teaches the same', () => {
    const gpu = new Gpu().lists('a');
    gpu.residency.take('b', noPrefix, 0, free);
    expect(gpu.lists().residency.mustEvict('c')).toBe(true);
    gpu.residency.answered('b');
    expect(gpu.lists('b').residency.models).toEqual(['b']);
  });

  test('leaves open whether one more fits, which is tried with one at a time', () => {
    const gpu = new Gpu().lists('a');
    expect(gpu.residency.hasPlace('b')).toBe(true);
    gpu.residency.take('b', noPrefix, 0, free);
    expect([gpu.residency.hasPlace('c'), gpu.residency.mustEvict('c')]).toEqual([false, true]);
    gpu.residency.answered('b');
    gpu.lists('a', 'b');
    expect(gpu.residency.hasPlace('c')).toBe(true);
  });

  test('does not make resident what only waits there to be loaded again', () => {
    const gpu = new Gpu().serves('a').serves('b').lists('b');
    expect(gpu.residency.models).toEqual(['b']);
  });

  test('says how much of a conversation is kept', () => {
    const { residency } = new Gpu();
    const long = prefixOf('a', [blocks(...Array.from({ length: 100 }, (_, i) => `${i}`))]);
    residency.take('a', long, 0, free);
    expect(residency.match('a', long)).toBe(100);
    residency.listed([{ model: 'a', contextTokens: 4_096 }], 2, 0);
    expect(residency.match('a', long)).toBe(64);
  });
});

describe('forgotten is', () => {
  test('a load that nobody saw to its end, because the backend throws it away with its client', () => {
    const gpu = new Gpu();
    gpu.residency.take('a', noPrefix, 0, free);
    expect(gpu.ends('a').residency.has('a')).toBe(false);
  });

  test('everything when the backend begins anew', () => {
    const gpu = new Gpu().serves('a').ends('a');
    const text = prefixOf('b', [blocks('1', '2')]);
    gpu.residency.take('b', text, 0, free);
    gpu.residency.forget();
    expect([gpu.residency.models, gpu.residency.match('b', text)]).toEqual([['b'], 0]);
  });

  test('the oldest of very many, where no listing tells', () => {
    const gpu = new Gpu();
    for (let i = 0; i < 100; i++) gpu.serves(`m${i}`).ends(`m${i}`);
    expect(gpu.residency.models).toHaveLength(32);
    expect(gpu.residency.has('m99')).toBe(true);
  });
});

test('a listing shows a model also while it is loaded: only an answer says that it is there', () => {
  const gpu = new Gpu();
  gpu.residency.take('a', noPrefix, 0, free);
  gpu.lists('a');
  expect(gpu.residency.hasAnswered('a')).toBe(false);
  gpu.residency.answered('a');
  expect(gpu.residency.hasAnswered('a')).toBe(true);
});
