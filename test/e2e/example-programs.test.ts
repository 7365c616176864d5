/** The examples that are programs: each runs to its end and comes to what it says. */
import { beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => void vi.spyOn(console, 'log').mockReturnValue());

test('wrap-your-llm: whole streams cost what they report, a break what was read, the fourth is refused', async () => {
  const { charged, refusal } = await import('../../examples/wrap-your-llm/main.mjs');
  expect(charged.map(({ outputTokens }: { outputTokens: number }) => outputTokens)).toEqual([40, 5, 40]);
  expect(refusal).toMatchObject({ reason: 'limit', status: 429 });
});

test('two-tenants: the patient one is served among the first, not behind all of the greedy one', async () => {
  const { order, statuses } = await import('../../examples/two-tenants/main.mjs');
  expect(statuses).toEqual(Array.from({ length: 14 }, () => 200));
  const turns = order.flatMap((name: string, turn: number) => (name === 'patient' ? [turn] : []));
  expect(turns).toHaveLength(2);
  expect(turns[0]).toBeLessThanOrEqual(2);
  expect(turns[1]).toBeLessThanOrEqual(5);
});

test('agent-run: the run ends the agent after three searches', async () => {
  const { steps, refusal } = await import('../../examples/agent-run/main.mjs');
  expect(steps).toHaveLength(3);
  expect(refusal).toMatchObject({ reason: 'run' });
});

test('custom-store: two limiters on one set of counters admit together what the policy says', async () => {
  const { admitted } = await import('../../examples/custom-store/main.mjs');
  expect(admitted.filter(Boolean)).toHaveLength(5);
});
