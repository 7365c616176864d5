import { defaultDialects } from '@headgate/dialects';
import { expect, test } from 'vitest';
import { createLimiter } from '../../../src/index.js';

const turns = 10_000;

test.each([
  ['/export', 200, 'text/csv'],
  ['/api/chat', 500, 'application/json'],
])(
  'an answer of %s with status %i that carries no tokens is made no faster than it is read',
  async (path, status, type) => {
    let made = 0;
    const source = {
      pull(controller: ReadableStreamDefaultController<Uint8Array>) {
        made += 1;
        controller.enqueue(new Uint8Array(1024));
        if (made === 1_000) controller.close();
      },
    };
    const limiter = createLimiter({ requests: '10/min' });
    const handler = limiter.handler(
      () =>
        new Response(new ReadableStream(source, { highWaterMark: 0 }), { status, headers: { 'content-type': type } }),
      { dialects: defaultDialects },
    );
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
    const response = await handler(new Request(`http://localhost${path}`, { method: 'POST', body }));
    const reader = response.body!.getReader();
    await reader.read();
    // Streams go on in microtasks, which every runtime has.
    for (let turn = 0; turn < turns; turn++) await undefined;
    expect(made).toBeLessThan(10);
    await reader.cancel();
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  },
);
