import { describe, expect, test } from 'vitest';
import { RefusedError } from '../../../src/refused-error.js';
import { settled } from '../../../src/testing/virtual-clock.js';
import { world } from '../../support/fixtures.js';
import { journal, visit } from '../../support/timeline.js';

const policy = { tokens: '1000/min', backends: ['http://a'] };
const asked = { identity: 'ann', input: { tokens: 100 }, outputTokensMax: 100 };

describe('running a function under the limiter', () => {
  test('passes its result on and settles with the usage found in it', async () => {
    const { limiter } = world(policy);
    const result = await limiter.run(asked, (permit) => ({ text: `on ${permit.backend?.name}`, used: 30 }), {
      usage: ({ used }) => ({ inputTokens: 90, outputTokens: used }),
    });
    expect(result).toEqual({ text: 'on a:80', used: 30 });
    expect(limiter.peekNow(asked)[0]?.remaining).toBe(880);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, backends: [{ used: 0 }] });
  });

  test('passes on what it throws, sooner or later, and gives the slot back once', async () => {
    const { limiter } = world(policy);
    const log = journal(limiter, ['reservation-settled', 'reservation-cancelled', 'permit-released']);
    const failure = new Error('the model broke');
    await expect(
      limiter.run(asked, () => {
        throw failure;
      }),
    ).rejects.toBe(failure);
    await expect(limiter.run(asked, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, backends: [{ used: 0 }] });
    expect(log).toEqual([
      'ann reservation-settled',
      'ann permit-released',
      'ann reservation-settled',
      'ann permit-released',
    ]);
  });

  test('that throws is charged what was metered until then, and nothing when nothing was', async () => {
    const { limiter } = world(policy);
    await expect(limiter.run(asked, () => Promise.reject(new Error('at once')))).rejects.toThrow('at once');
    expect(limiter.peekNow(asked)[0]?.remaining).toBe(1000);
    const late = limiter.run(asked, (permit) => {
      permit.meter(7);
      throw new Error('late');
    });
    await expect(late).rejects.toThrow('late');
    expect(limiter.peekNow(asked)[0]?.remaining).toBe(893);
  });

  test('that ended the permit itself is not settled again', async () => {
    const { limiter } = world(policy);
    const twice: string[] = [];
    limiter.on('permit-ended-twice', ({ permitId }) => twice.push(permitId));
    await limiter.run(asked, (permit) => permit.cancel());
    await expect(
      limiter.run(asked, (permit) => {
        permit.settle({ inputTokens: 1, outputTokens: 1 });
        throw new Error('after the end');
      }),
    ).rejects.toThrow('after the end');
    expect(limiter.peekNow(asked)[0]?.remaining).toBe(998);
    expect(twice).toEqual([]);
  });

  test('whose usage cannot be found still gives its slot back', async () => {
    const { limiter } = world(policy);
    const answer = limiter.run(asked, () => 'text', {
      usage: () => {
        throw new Error('no usage in it');
      },
    });
    await expect(answer).rejects.toThrow('no usage in it');
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0, backends: [{ used: 0 }] });
  });

  test('is not called when it is refused: RefusedError says why, with the status', async () => {
    const { limiter } = world({ requests: '1/min' });
    await limiter.run(asked, () => 'first');
    let called = false;
    const error = await limiter
      .run(asked, () => {
        called = true;
      })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({
      code: 'HG_REFUSED',
      status: 429,
      refusal: { reason: 'limit', limit: 'requests.min' },
    });
    expect(called).toBe(false);
  });

  test('is not called when its caller left the queue', async () => {
    const { limiter } = world(policy);
    visit(limiter, 'holder');
    await settled();
    const controller = new AbortController();
    let called = false;
    const answer = limiter.run(
      asked,
      () => {
        called = true;
      },
      { signal: controller.signal },
    );
    await settled();
    controller.abort(new Error('gone'));
    await expect(answer).rejects.toThrow('gone');
    expect(called).toBe(false);
    expect(limiter.stats()).toMatchObject({ waiting: 0, open: 1 });
  });
});
