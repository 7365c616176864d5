import { describe, expect, test } from 'vitest';
import type { Limiter } from '../../../src/limiter.js';
import type { AdmitRequest } from '../../../src/model.js';
import { RefusedError } from '../../../src/refused-error.js';
import { RunState } from '../../../src/run-state.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { minute, second, world } from '../../support/fixtures.js';
import { visit } from '../../support/timeline.js';

const envelope = { toolCalls: 3, depth: 2, time: '120s', tokens: 1_000 };

function decide(limiter: Limiter, request: AdmitRequest): string {
  const decision = limiter.admitNow({ identity: 'ann', run: 'r1', ...request });
  return decision.admitted ? 'admitted' : `${decision.refusal.reason}: ${decision.refusal.message}`;
}

/** Tool results in one conversation: all, and those the request brings. */
const tools = (results: number, resultsNew = 0, conversation = 'main') => ({ results, resultsNew, conversation });

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal.message;
    throw error;
  }
  return 'not refused';
}

describe('a run that its program holds', () => {
  test('makes its tool calls and no more', () => {
    const { limiter } = world({ run: envelope });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    for (let i = 0; i < 3; i++) run.toolCall('search');
    expect(refusalOf(() => run.toolCall('search'))).toBe(
      'search is not called: this run has used all it may: 3 tool calls per run (limit run.toolCalls).',
    );
    expect(run.over).toBe(false);
  });

  test('has a counter of its own: other runs and other identities are not held to it', () => {
    const { limiter } = world({ run: envelope });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    for (let i = 0; i < 3; i++) run.toolCall();
    expect(refusalOf(() => limiter.startRun({ identity: 'ann', id: 'r2' }).toolCall())).toBe('not refused');
    expect(refusalOf(() => limiter.startRun({ identity: 'bob', id: 'r1' }).toolCall())).toBe('not refused');
  });

  test('makes as many tool calls as it likes where no limit counts them', () => {
    const { limiter } = world({ requests: '10/min' });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    expect(refusalOf(() => run.toolCall('search'))).toBe('not refused');
  });

  test('goes as deep as it may, all levels on one envelope', () => {
    const { limiter } = world({ run: envelope });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    const grandchild = run.child().child();
    expect(grandchild.depth).toBe(2);
    expect(refusalOf(() => grandchild.child())).toBe('run r1 is nested 3 deep, at most 2 is allowed.');
    grandchild.toolCall();
    run.toolCall();
    run.child().toolCall();
    expect(refusalOf(() => run.toolCall())).toContain('is not called');
  });

  test('is over when its time is up: its work is told to stop, and nothing more is admitted', () => {
    const { limiter, clock } = world({ run: envelope });
    const ended: unknown[] = [];
    limiter.on('run-ended', ({ identity, run, inTime }) => ended.push([identity.id, run, inTime]));
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    const decision = limiter.admitNow({ identity: 'ann', run });
    if (!decision.admitted) throw new Error('refused');
    const { signal } = decision.permit;
    clock.advance(120 * second - 1);
    expect([run.over, run.signal.aborted, signal.aborted]).toEqual([false, false, false]);
    clock.advance(1);
    expect([run.over, run.signal.aborted, signal.aborted]).toEqual([true, true, true]);
    expect(signal.reason).toMatchObject({ refusal: { reason: 'run' } });
    expect(decide(limiter, {})).toBe('run: run r1 is over: its time of 2min is up.');
    expect(refusalOf(() => run.toolCall())).toBe('run r1 is over: its time of 2min is up.');
    expect(ended).toEqual([['ann', 'r1', false]]);
    decision.permit.settle();
    expect(limiter.stats().inFlight).toBe(0);
  });

  test('is over when it is ended, for every level and for whoever waits', async () => {
    const { limiter } = world({ run: envelope, backends: [{ url: 'http://one', slots: 1 }] });
    const run = limiter.startRun({ identity: 'ann', id: 'r1' });
    const busy = visit(limiter, 'bob');
    const waiting = visit(limiter, 'ann', { run });
    await settled();
    expect([busy.state, waiting.state]).toEqual(['admitted', 'waiting']);
    run.end();
    run.end();
    await waiting.ended;
    expect(waiting.refusal).toMatchObject({ reason: 'run', message: 'run r1 has ended.' });
    expect(limiter.stats()).toMatchObject({ waiting: 0, inFlight: 1 });
    expect(refusalOf(() => run.child().toolCall())).toBe('run r1 has ended.');
  });

  test('begins anew under an id whose run is over, with what is left of its counters', () => {
    const { limiter } = world({ run: envelope });
    const first = limiter.startRun({ identity: 'ann', id: 'r1' });
    first.toolCall();
    first.end();
    const second = limiter.startRun({ identity: 'ann', id: 'r1' });
    expect([first.over, second.over]).toEqual([true, false]);
    second.toolCall();
    second.toolCall();
    expect(refusalOf(() => second.toolCall())).toContain('is not called');
  });

  test('a client that leaves while its run goes on leaves the run alone', async () => {
    const { limiter } = world({ run: envelope, backends: [{ url: 'http://one', slots: 1 }] });
    limiter.admitNow({ identity: 'bob' });
    const waiting = visit(limiter, 'ann', { run: 'r1' });
    await settled();
    waiting.leave();
    await waiting.ended;
    expect(waiting.state).toBe('left');
    expect(limiter.startRun({ identity: 'ann', id: 'r1' }).over).toBe(false);
  });
});

describe('requests of a run', () => {
  test('may use its tokens and no more, and are told that waiting does not help', () => {
    const { limiter, clock } = world({ run: envelope });
    const embed = { operation: 'embed', input: { tokens: 600 } } as const;
    expect(decide(limiter, embed)).toBe('admitted');
    const refused = limiter.admitNow({ identity: 'ann', run: 'r1', ...embed });
    expect(refused).toMatchObject({ admitted: false, refusal: { reason: 'run', status: 429, limit: 'run.tokens' } });
    expect((refused as { refusal: object }).refusal).not.toHaveProperty('retryAfterMs');
    clock.advance(119 * second);
    expect(decide(limiter, embed)).toContain('run: this run has used all it may: 1000 tokens per run');
  });

  test('are cut in the middle of an answer when the run has no tokens left', () => {
    const { limiter } = world({ run: { tokens: 300 } });
    const decision = limiter.admitNow({ identity: 'ann', run: 'r1', input: { tokens: 100 } });
    if (!decision.admitted) throw new Error('refused');
    expect(decision.permit.meter(200)).toBe('continue');
    expect(decision.permit.meter(1)).toBe('stop');
  });

  test('without a run are not held to it', () => {
    const { limiter } = world({ run: { tokens: 10 } });
    expect(limiter.admitNow({ identity: 'ann', operation: 'embed', input: { tokens: 600 } }).admitted).toBe(true);
  });

  test('may not come from deeper than the run goes', () => {
    const { limiter } = world({ run: envelope });
    expect(decide(limiter, { run: { id: 'r1', depth: 2 } })).toBe('admitted');
    expect(decide(limiter, { run: { id: 'r1', depth: 3 } })).toContain('nested 3 deep');
  });

  test('count the tool calls they show, each once', () => {
    const { limiter } = world({ run: { toolCalls: 3 } });
    expect(decide(limiter, { tools: tools(2) })).toBe('admitted'); // made before the run began
    expect(decide(limiter, { tools: tools(4, 2) })).toBe('admitted');
    expect(decide(limiter, { tools: tools(4, 2) })).toBe('admitted'); // sent again
    expect(decide(limiter, { tools: tools(5, 1) })).toBe('admitted');
    expect(decide(limiter, { tools: tools(6, 1) })).toContain(
      'run: this run has used all it may: 3 tool calls per run',
    );
    expect(decide(limiter, { tools: tools(5, 1) })).toBe('admitted');
  });

  test('of an agent that the run calls count what they bring, and not what the conversation brought along', () => {
    const { limiter } = world({ run: { toolCalls: 3 } });
    decide(limiter, { tools: tools(0) });
    expect(decide(limiter, { tools: tools(0, 0, 'child') })).toBe('admitted');
    expect(decide(limiter, { tools: tools(2, 2, 'child') })).toBe('admitted');
    // The parent's conversation was cut short: only the result after the model's last message is new.
    expect(decide(limiter, { tools: tools(7, 1, 'shortened') })).toBe('admitted');
    expect(decide(limiter, { tools: tools(3, 1, 'child') })).toContain('3 tool calls per run');
  });

  test('that are refused or taken back are counted when they come again', () => {
    const { limiter, clock } = world({ requests: '1/min', run: { toolCalls: 1 } });
    decide(limiter, { tools: tools(0) });
    expect(decide(limiter, { tools: tools(1, 1) })).toContain('limit: rate limit exceeded');
    clock.advance(minute);
    const decision = limiter.admitNow({ identity: 'ann', run: 'r1', tools: tools(1, 1) });
    if (!decision.admitted) throw new Error('refused');
    decision.permit.cancel();
    clock.advance(minute);
    expect(decide(limiter, { tools: tools(1, 1) })).toBe('admitted');
    clock.advance(minute);
    expect(decide(limiter, { tools: tools(2, 1) })).toContain('1 tool call per run');
  });

  test('count on other limits on tool calls too, run or no run', () => {
    const { limiter } = world({ toolCalls: '3/hour' });
    decide(limiter, { tools: tools(0) });
    expect(decide(limiter, { tools: tools(2, 2) })).toBe('admitted');
    expect(limiter.admitNow({ identity: 'ann', tools: tools(9, 1) }).admitted).toBe(true);
    expect(limiter.admitNow({ identity: 'ann', tools: tools(10, 1) })).toMatchObject({
      admitted: false,
      refusal: { reason: 'limit', measure: 'toolCalls' },
    });
  });

  test('of a tier in dry run are never refused by the envelope', () => {
    const { limiter, clock } = world({ mode: 'shadow', run: envelope });
    const told: string[] = [];
    limiter.on('request-would-refuse', ({ limit }) => told.push(limit));
    decide(limiter, { tools: tools(0) });
    expect(decide(limiter, { run: { id: 'r1', depth: 9 }, tools: tools(9, 9) })).toBe('admitted');
    expect(told).toEqual(['run.toolCalls']);
    clock.advance(10 * minute);
    expect(decide(limiter, {})).toBe('admitted');
  });
});

test('of a run those conversations are remembered that were shown last', () => {
  const state = new RunState('r1', 0);
  for (let i = 0; i < 64; i++) state.see(`c${i}`, 1);
  state.see('c0', 2);
  for (let i = 64; i < 100; i++) state.see(`c${i}`, 1);
  const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => state.seen(`c${i}`) !== undefined);
  expect(kept).toEqual([0, ...Array.from({ length: 63 }, (_, i) => 37 + i)]);
});

test('a flood of runs is bounded and leaves no timer behind', () => {
  const { limiter, clock } = world({ run: { time: '1h' } });
  for (let i = 0; i < 20_000; i++) limiter.startRun({ identity: 'ann', id: `r${i}` });
  expect(clock.timers).toBeLessThanOrEqual(10_000);
});
