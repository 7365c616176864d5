/** The checker finds what should not have happened: each promise is broken once in a history that is otherwise in order. */
import { describe, expect, test } from 'vitest';
import { violationsIn } from '../../check/index.js';
import type { Fault, History, Life, Line, Visit } from '../../history.js';
import { rules } from '../../rules.js';
import { historyOf, type Request, sample, times } from './support/forged.js';

const promises = (history: History): string[] => violationsIn(history).map(({ promise }) => promise);

function without(history: History, type: Line['type'], permit: string): History {
  return {
    ...history,
    told: history.told.filter((line) => line.type !== type || !('permit' in line) || line.permit !== permit),
  };
}

function withLines(history: History, ...lines: Line[]): History {
  return { ...history, told: [...history.told, ...lines] };
}

function withVisit(history: History, changes: Partial<Visit>): History {
  const [first, ...rest] = history.visits;
  return { ...history, visits: [{ ...first!, ...changes }, ...rest] };
}

const began = 1_000_000;
const ordinary = historyOf(times(20, 1_000));
const fault = (kind: string, target: string, from: number, to: number): Fault => ({
  kind,
  target,
  from: began + from,
  to: began + to,
});

test('a history in which all is in order has no violations', () => {
  const requests = [
    ...times(40, 1_000 / rules.bucket.perSecond, { identity: 'paced-1', lastsMs: 10 }),
    ...times(rules.slots, 0, { at: 20_000, lastsMs: 500 }),
    ...times(rules.slots, 0, { at: 20_000, lastsMs: 500, backend: 'b2' }),
    ...times(20, 500, { identity: 'spender', at: 40_000, tokens: 100 }),
  ];
  expect(violationsIn(historyOf(requests))).toEqual([]);
});

describe('limits', () => {
  const { burst, perSecond } = rules.bucket;
  const tooMany = times(2 * burst + 2, 1, { identity: 'paced-1', lastsMs: 1 });

  test('a bucket that let through more than its burst and its rate', () => {
    expect(promises(historyOf(tooMany))).toContain('limits hold');
    expect(promises(historyOf(times(200, 800 / perSecond, { identity: 'paced-1', lastsMs: 1 })))).toContain(
      'limits hold',
    );
  });

  test('may let through a burst more when Redis forgot, not when it keeps', () => {
    const faults = [fault('redis-kill', 'redis', -100, -50)];
    const forgetful = { profile: { onDown: 'closed', durable: false }, faults } as const;
    expect(promises(historyOf(tooMany, forgetful))).not.toContain('limits hold');
    expect(promises(historyOf(tooMany, { faults }))).toContain('limits hold');
    expect(promises(historyOf(times(5 * burst, 1, { identity: 'paced-1', lastsMs: 1 }), forgetful))).toContain(
      'limits hold',
    );
  });

  test('while each counts its share, they may let through more, but not without end', () => {
    const profile = { onDown: 'local-share', durable: true } as const;
    expect(promises(historyOf(tooMany, { profile }))).not.toContain('limits hold');
    expect(promises(historyOf(times(10 * burst, 1, { identity: 'paced-1', lastsMs: 1 }), { profile }))).toContain(
      'limits hold',
    );
  });

  test('a window that let through more than its tokens', () => {
    const spent = times(10, 100, { identity: 'spender', lastsMs: 1, tokens: rules.window.tokens / 8 });
    expect(promises(historyOf(spent))).toContain('limits hold');
  });

  test('what was cancelled does not count', () => {
    let history = historyOf(tooMany);
    for (let index = 0; index < burst + 2; index++) {
      const permit = `p${index}`;
      history = withLines(without(history, 'settled', permit), { type: 'cancelled', life: 'g1#1', permit, at: began });
    }
    expect(promises(history)).not.toContain('limits hold');
  });
});

describe('slots', () => {
  const fullAndOne = times(rules.slots + 1, 10, { lastsMs: 500 });
  const cutOff: Request[] = [
    ...times(rules.slots, 0, { lastsMs: 20_000, gateway: 'g2' }),
    ...times(rules.slots, 0, { at: 12_000, lastsMs: 500 }),
  ];

  test('one more than a backend has', () => {
    expect(promises(historyOf(fullAndOne))).toContain('slots are never oversold');
  });

  test('one more than may run on all backends together', () => {
    const everywhere = Array.from({ length: rules.house + 1 }, (_, index) => ({
      at: 1,
      backend: `b${1 + (index % 4)}`,
      lastsMs: 500,
    }));
    expect(promises(historyOf(everywhere))).toContain('slots are never oversold');
  });

  test('may be twice as many while each counts its share, and not more', () => {
    const profile = { onDown: 'local-share', durable: true } as const;
    expect(promises(historyOf(fullAndOne, { profile }))).not.toContain('slots are never oversold');
    expect(promises(historyOf(times(2 * rules.slots + 1, 10, { lastsMs: 500 }), { profile }))).toContain(
      'slots are never oversold',
    );
  });

  test('may be had by each process where nothing is refused, and not more', () => {
    const profile = { onDown: 'open', durable: true } as const;
    const most = rules.gateways * rules.slots;
    expect(promises(historyOf(times(most, 10, { lastsMs: 500 }), { profile }))).not.toContain(
      'slots are never oversold',
    );
    expect(promises(historyOf(times(most + 1, 10, { lastsMs: 500 }), { profile }))).toContain(
      'slots are never oversold',
    );
  });

  test('of a process that was out of touch for longer than its lease are others’, of one for less are not', () => {
    expect(promises(historyOf(cutOff))).toContain('slots are never oversold');
    const cut = (toMs: number): Partial<History> => ({ faults: [fault('redis-cut', 'g2', 500, toMs)] });
    expect(promises(historyOf(cutOff, cut(19_000)))).not.toContain('slots are never oversold');
    expect(promises(historyOf(cutOff, cut(9_000)))).toContain('slots are never oversold');
  });

  test('a connection that was closed counts no longer than a backend may need to notice', () => {
    const history = historyOf(times(rules.slots + 1, 300, { lastsMs: 1_000 }));
    const left = { ...history, served: history.served.map((one) => ({ ...one, outcome: 'aborted' })) };
    expect(promises(history)).toContain('slots are never oversold');
    expect(promises(left)).not.toContain('slots are never oversold');
  });
});

describe('a machine that stands still', () => {
  const history = historyOf(times(rules.slots + 1, 300, { lastsMs: 400 * rules.slots }));
  const until = Math.min(...history.served.map(({ to }) => to));

  test('makes backends notice late that something has ended, and not for longer than it stood', () => {
    const stood = (ms: number): History => ({
      ...history,
      faults: [fault('stood', 'here', until - began - ms, until - began)],
    });
    expect(promises(history)).toContain('slots are never oversold');
    expect(promises(stood(1_000))).not.toContain('slots are never oversold');
    expect(promises(stood(50))).toContain('slots are never oversold');
  });
});

describe('permits', () => {
  const life = 'g1#1';
  test.each<[string, History]>([
    ['one that never ends', without(ordinary, 'settled', 'p3')],
    ['one that is not released', without(ordinary, 'released', 'p3')],
    [
      'one that is settled twice',
      withLines(ordinary, { type: 'settled', life, permit: 'p3', at: began, reserved: 1, charged: 1 }),
    ],
    ['one that is settled and cancelled', withLines(ordinary, { type: 'cancelled', life, permit: 'p3', at: began })],
    ['one that is ended twice', withLines(ordinary, { type: 'ended-twice', life, permit: 'p3', at: began })],
    ['one that was never granted', withLines(ordinary, { type: 'released', life, permit: 'p99', at: began })],
  ])('%s', (_, history) => {
    expect(promises(history)).toContain('every permit ends once');
  });

  test('of a gateway that was killed need no end', () => {
    const killed: Life = { gateway: 'g1', id: life, from: began - 1, to: began + 5_000, how: 'killed' };
    expect(promises({ ...without(ordinary, 'released', 'p3'), lives: [killed] })).not.toContain(
      'every permit ends once',
    );
  });

  test('a gateway that failed, that ended wrong, or that did not end', () => {
    expect(promises(withLines(ordinary, { type: 'failed', life, at: began, text: 'x' }))).toContain('nothing fails');
    const stopped = { gateway: 'g1', id: life, from: began - 1, to: began + 1e6, how: 'stopped', exitMs: 100 } as const;
    const ended = (changes: Partial<Life>): string[] => promises({ ...ordinary, lives: [{ ...stopped, ...changes }] });
    expect(ended({ exitStatus: 0 })).toEqual([]);
    for (const wrong of [{ exitStatus: 1 }, { exitStatus: null }, { exitStatus: 0, exitMs: 60_000 }]) {
      expect(ended(wrong)).toContain('a gateway that is told to stop stops');
    }
  });
});

describe('counters', () => {
  const promise = 'nothing counts twice and nothing is lost';
  const counted = (requests: number, tokens: number, history = ordinary): History => {
    const [first] = history.aftermath.counted;
    const changed = { ...first!, requests: first!.requests + requests, tokens: first!.tokens + tokens };
    return { ...history, aftermath: { ...history.aftermath, counted: [changed] } };
  };

  test.each([
    ['a request that counts twice', 1, 0],
    ['tokens that count twice', 0, 1],
    ['a request that is lost', -1, 0],
    ['tokens that are lost', 0, -1],
  ])('%s', (_, requests, tokens) => {
    expect(promises(counted(requests, tokens))).toEqual([promise]);
  });

  test('a decision whose answer never came may count, once', () => {
    const refused: Partial<Visit> = { status: 503, reason: 'store-down', ending: 'refused', identity: 'plain' };
    const visits = [...ordinary.visits, { ...ordinary.visits[0]!, ...refused }];
    const unknown = { ...ordinary, visits, faults: [fault('reply-lost', 'g1', -50, 50)] };
    expect(promises(counted(1, 1, { ...ordinary, visits }))).toEqual([promise, promise]);
    expect(promises(counted(1, rules.prompt + rules.answerMax, unknown))).toEqual([]);
    expect(promises(counted(2, 0, unknown))).toEqual([promise]);
    expect(promises(counted(1, 3 * (rules.prompt + rules.answerMax), unknown))).toEqual([promise]);
  });

  test('what goes on without Redis may be lost with the process that knows it, and never counts twice', () => {
    const history = { ...ordinary, profile: { onDown: 'local-share', durable: true } } as const;
    expect(promises(counted(-3, -10, history))).toEqual([]);
    expect(promises(counted(1, 0, history))).toEqual([promise]);
  });

  test('of a Redis that forgets are not known', () => {
    expect(promises(counted(-3, -10, { ...ordinary, profile: { onDown: 'closed', durable: false } }))).toEqual([]);
  });
});

describe('answers', () => {
  test.each<[string, Partial<Visit>, string]>([
    ['one that ends as if it were whole', { ending: 'short' }, 'a cut answer says so'],
    ['one that never comes', { ending: 'hung' }, 'nobody waits for ever'],
    ['a status that no page has', { ending: 'refused', status: 500 }, 'refusals are those that are documented'],
    ['a connection that breaks though its gateway lives', { ending: 'broken' }, 'every request is answered'],
    [
      'a connection that is refused though its gateway lives',
      { ending: 'unanswered', status: undefined },
      'every request is answered',
    ],
    ['one that no backend gave', { requestId: 'req_none' }, 'an answer is what one backend gave'],
    ['one with other tokens than the backend’s', { tokens: 3 }, 'an answer is what one backend gave'],
  ])('%s', (_, changes, promise) => {
    expect(promises(withVisit(ordinary, changes))).toContain(promise);
  });

  test('one that two backends gave', () => {
    const twice = { ...ordinary, served: [...ordinary.served, { ...ordinary.served[0]!, backend: 'b2' }] };
    expect(promises(twice)).toEqual(['an answer is what one backend gave']);
  });

  test('a connection may break with its gateway', () => {
    const killed: Life = { gateway: 'g1', id: 'g1#1', from: began - 1, to: began + 500, how: 'killed' };
    const broken = withVisit({ ...ordinary, lives: [killed] }, { ending: 'broken' });
    expect(promises(broken)).toEqual([]);
  });
});

test('fairness: one of two that always wait is served far more', () => {
  const share = (tokens: number, identity: string, count: number): Request[] =>
    times(count, 1_000, { identity, tokens, backend: identity });
  const equal = [...share(rules.answerMax, 'fair-long', 100), ...share(rules.answerMax / 5, 'fair-short', 270)];
  expect(promises(historyOf(equal))).toEqual([]);
  const unequal = [...share(rules.answerMax, 'fair-long', 200), ...share(rules.answerMax / 5, 'fair-short', 200)];
  expect(promises(historyOf(unequal))).toEqual(['the queue is fair']);
});

describe('leaks', () => {
  test.each([
    ['a request that is still in flight', { inFlight: 1 }],
    ['somebody who still waits', { waiting: 1 }],
    ['a reservation that is still open', { open: 1 }],
    ['memory', { heapBytes: 1e8 }],
    ['timers', { timers: 500 }],
  ])('%s', (_, changes) => {
    const last = { ...sample(began + 2e6), ...changes };
    expect(promises(withLines(ordinary, last))).toEqual(['nothing leaks']);
  });

  test.each([
    ['a slot that does not come back', { ranAtOnce: rules.house - 1 }],
    ['a slot that is there twice', { ranAtOnce: rules.house + 1 }],
    ['a key that never expires', { keysWithoutExpiry: ['chaos:x'] }],
  ])('%s', (_, changes) => {
    expect(promises({ ...ordinary, aftermath: { ...ordinary.aftermath, ...changes } })).toEqual(['nothing leaks']);
  });

  test('more at once are no leak where late decisions let through, fewer are', () => {
    const profile = { onDown: 'open', durable: true } as const;
    const ran = (ranAtOnce: number): string[] =>
      promises({ ...ordinary, profile, aftermath: { ...ordinary.aftermath, ranAtOnce } });
    expect(ran(rules.house + 2)).toEqual([]);
    expect(ran(rules.house - 1)).toEqual(['nothing leaks']);
  });
});
