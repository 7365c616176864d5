/** Answers that a budget or a cap ends, as the users of real client libraries see them. */
import { describe, expect, it, vi } from 'vitest';
import { clients, type Heard } from '../support/clients.js';
import { type Setup, setup, until } from '../support/harness.js';

/** More than any budget here, from a backend that takes no notice of a cap. */
const endless = { outputTokens: 30_000, faults: { ignoreNumPredict: true } };
/** More than any budget here, from a backend that ends where it is told. */
const obedient = { outputTokens: 30_000 };
/** Most tokens by which the estimate of the short prompt differs from what the backend counts in it. */
const estimateError = 10;
const spent = 'the token budget was spent in the middle of this answer.';

/** The request's line in the access log, once it is over; the backend's work has ended by then. */
async function logged({ log, gateway }: Setup): Promise<Record<string, unknown>> {
  await until(() => log.length === 1, 'the request is logged');
  expect(gateway.limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  return log[0]!;
}

/** What of an hour's budget is left for the client. */
function left({ gateway }: Setup, identity: unknown): number | undefined {
  return gateway.limiter.peekNow({ identity: String(identity) })[0]?.remaining;
}

const nothing = (): Heard => ({ text: '', finish: undefined });

describe.each(clients)('$name', ({ stream, whole, length, lengthOfOllama = length, cap, swallowsErrors }) => {
  it('gets a stream that ends at its output cap as one that reached its length', async () => {
    const world = await setup({ output: 8, tokens: '100k/hour' }, { backends: [endless] });
    const heard = nothing();
    await stream(world.url, heard);
    expect(heard).toMatchObject({ finish: length, outputTokens: 8 });
    expect(heard.text.length).toBeGreaterThan(8);
    expect(heard.inputTokens).toBeGreaterThan(0);
    const line = await logged(world);
    expect(line).toMatchObject({ outputTokens: 8, inputTokens: heard.inputTokens, cut: 'cap' });
    expect(world.backend.stats().aborted).toBe(1);
    expect(left(world, line.identity)).toBe(100_000 - 8 - Number(heard.inputTokens));
  });

  it('gets a stream that ends where its budget is spent, without an exception and with its usage', async () => {
    const world = await setup({ tokens: '400/hour' }, { backends: [endless] });
    const heard = nothing();
    await stream(world.url, heard);
    expect(heard.finish).toBe(length);
    expect(heard.text.length).toBeGreaterThan(300);
    const tokens = Number(heard.inputTokens) + Number(heard.outputTokens);
    expect(tokens).toBeGreaterThan(400 - estimateError);
    expect(tokens).toBeLessThanOrEqual(400);
    const line = await logged(world);
    expect(line).toMatchObject({ outputTokens: heard.outputTokens, cut: 'budget' });
    expect(world.backend.stats().aborted).toBe(1);
    expect(left(world, line.identity)).toBe(400 - tokens);
  });

  it('gets the same ending from a backend that obeys, which is asked for no more than the budget holds', async () => {
    const world = await setup({ tokens: '400/hour' }, { backends: [obedient] });
    const heard = nothing();
    await stream(world.url, heard);
    expect(heard.finish).toBe(lengthOfOllama);
    const line = await logged(world);
    expect(line).not.toHaveProperty('cut');
    expect(world.backend.stats()).toMatchObject({ aborted: 0, completed: 1 });
    expect(cap(world.backend.seen[0]?.json as Record<string, never>)).toBe(heard.outputTokens);
    expect(heard.outputTokens).toBeGreaterThan(300);
  });

  it('gets a whole answer that is no longer than what was set aside for it', async () => {
    const world = await setup({ tokens: '400/hour' }, { backends: [obedient] });
    const heard = await whole(world.url);
    expect(heard.finish).toBe(lengthOfOllama);
    const line = await logged(world);
    expect(line).toMatchObject({ outputTokens: heard.outputTokens, inputTokens: heard.inputTokens });
    expect(cap(world.backend.seen[0]?.json as Record<string, never>)).toBe(heard.outputTokens);
    expect(heard.outputTokens).toBeGreaterThan(200);
    expect(left(world, line.identity)).toBe(400 - Number(heard.inputTokens) - Number(heard.outputTokens));
  });

  it(`onBudgetSpent: error cuts its stream with an error${swallowsErrors ? ', which its library swallows' : ''}`, async () => {
    const world = await setup({ tokens: '400/hour', onBudgetSpent: 'error' }, { backends: [endless] });
    const heard = nothing();
    const read = stream(world.url, heard);
    if (swallowsErrors) {
      vi.spyOn(console, 'warn').mockImplementation(() => {});
      await read;
      expect(['other', 'unknown', 'error']).toContain(heard.finish);
    } else await expect(read).rejects.toThrow(spent);
    expect(heard.text.length).toBeGreaterThan(300);
    const line = await logged(world);
    expect(line).toMatchObject({ status: 200, cut: 'budget', reason: 'limit' });
    expect(line.outputTokens).toBeGreaterThan(300);
    expect(world.backend.stats().aborted).toBe(1);
    expect(left(world, line.identity)).toBeLessThan(estimateError);
  });

  it('onBudgetSpent: error delivers a whole answer whole, as long as was declared, and keeps the debt', async () => {
    const world = await setup({ tokens: '400/hour', onBudgetSpent: 'error' }, { backends: [obedient] });
    const heard = await whole(world.url, 900);
    expect(heard).toMatchObject({ finish: lengthOfOllama, outputTokens: 900 });
    expect(cap(world.backend.seen[0]?.json as Record<string, never>)).toBe(900);
    const line = await logged(world);
    expect(left(world, line.identity)).toBe(400 - 900 - Number(heard.inputTokens));
    await expect(whole(world.url)).rejects.toThrow();
  });
});
