/** Over HTTP/2, where an application is given to `http2.createServer`. */
import { connect, constants, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { createLimiter } from '@headgate/core';
import { afterEach, describe, expect, test } from 'vitest';
import { question } from '../../../express/test/support/ask.js';
import { ollamaLimiter } from '../../src/index.js';
import { textOf, versions } from '../support/koa-server.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

describe.each(versions)('$name', ({ Koa }) => {
  test('holds a prompt over HTTP/2 to its limits, and an answer that fails does not look whole', async () => {
    const limiter = createLimiter({ models: ['llama3.2'], output: 50 });
    const app = new Koa();
    app.silent = true;
    const bodies: PassThrough[] = [];
    app.use(ollamaLimiter(limiter)).use(async (ctx) => {
      if (ctx.path !== '/fails') {
        ctx.body = await textOf(ctx.req);
        return;
      }
      const body = new PassThrough();
      bodies.push(body);
      body.write('a,b\n');
      ctx.body = body;
    });
    const server = createServer(app.callback());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    ends.push(
      () => server.close(),
      () => session.destroy(),
    );
    const asked = (path: string, body: object) => {
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' });
      stream.on('error', () => {});
      stream.end(JSON.stringify(body));
      return stream;
    };
    expect(JSON.parse(await textOf(asked('/api/chat', question)))).toMatchObject({ options: { num_predict: 50 } });
    expect(await textOf(asked('/api/chat', { ...question, model: 'mistral' }))).toContain('not allowed');
    expect(JSON.parse(await textOf(asked('/crm/v1/messages', { text: 'x' })))).toEqual({ text: 'x' });

    const failing = asked('/fails', {});
    await new Promise((resolve) => failing.once('data', resolve));
    const closed = new Promise((resolve) => failing.once('close', resolve));
    bodies[0]!.destroy(new Error('lost'));
    await closed;
    expect(failing.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    expect(limiter.stats()).toMatchObject({ inFlight: 0, open: 0 });
  });
});
