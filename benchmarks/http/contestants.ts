/** Each framework by itself, behind Headgate, and behind the limiter that its users usually take. All count by address, in memory. */
import type { Server } from 'node:http';
import fastifyRateLimit from '@fastify/rate-limit';
import { ollamaLimiter as expressLimiter } from '@headgate/express';
import { ollamaLimiter as fastifyLimiter } from '@headgate/fastify';
import { ollamaLimiter as honoLimiter } from '@headgate/hono';
import { ollamaLimiter as koaLimiter } from '@headgate/koa';
import { createAdaptorServer } from '@hono/node-server';
import { bodyParser } from '@koa/bodyparser';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import fastify from 'fastify';
import { Hono } from 'hono';
import { rateLimiter } from 'hono-rate-limiter';
import Koa from 'koa';
import koaRateLimit from 'koa-ratelimit';
import { oneLimit, sixLimits } from './policies.js';
import { answerOf, page } from './workloads.js';

export const frameworks = ['express', 'fastify', 'hono', 'koa'] as const;
export type Framework = (typeof frameworks)[number];
export const variants = ['bare', 'one', 'six', 'usual'] as const;
export type Variant = (typeof variants)[number];

export const usual: { readonly [Name in Framework]: string } = {
  express: 'express-rate-limit',
  fastify: '@fastify/rate-limit',
  hono: 'hono-rate-limiter',
  koa: 'koa-ratelimit',
};

const windowMs = 60_000;
const max = 1_000_000_000;
const policies = { one: oneLimit, six: sixLimits } as const;

const starts: { readonly [Name in Framework]: (variant: Variant) => Promise<Server> } = {
  async express(variant) {
    const app = express();
    if (variant === 'usual') app.use(rateLimit({ windowMs, limit: max, standardHeaders: 'draft-8', validate: false }));
    else if (variant !== 'bare') app.use(expressLimiter(policies[variant]));
    app.get('/page', (_req, res) => void res.json(page));
    app.post('/api/chat', express.json(), (req, res) => void res.json(answerOf((req.body as { model: string }).model)));
    return app.listen(0, '127.0.0.1');
  },

  async fastify(variant) {
    const app = fastify();
    if (variant === 'usual') await app.register(fastifyRateLimit, { timeWindow: windowMs, max });
    else if (variant !== 'bare') app.register(fastifyLimiter, policies[variant]);
    app.get('/page', async () => page);
    app.post('/api/chat', async ({ body }) => answerOf((body as { model: string }).model));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },

  async hono(variant) {
    const app = new Hono();
    // By the address that node-server knows; the limiter itself knows none.
    const keyGenerator = (c: { env: unknown }): string =>
      (c.env as { incoming: { socket: { remoteAddress: string } } }).incoming.socket.remoteAddress;
    if (variant === 'usual') app.use(rateLimiter({ windowMs, limit: max, standardHeaders: 'draft-7', keyGenerator }));
    else if (variant !== 'bare') app.use('*', honoLimiter(policies[variant]));
    app.get('/page', (c) => c.json(page));
    app.post('/api/chat', async (c) => c.json(answerOf((await c.req.json()).model)));
    return createAdaptorServer({ fetch: app.fetch }).listen(0, '127.0.0.1') as Server;
  },

  async koa(variant) {
    const app = new Koa();
    const db = new Map();
    if (variant === 'usual')
      app.use(koaRateLimit({ driver: 'memory', db, duration: windowMs, max, id: (ctx) => ctx.ip }));
    else if (variant !== 'bare') app.use(koaLimiter(policies[variant]));
    app.use(bodyParser());
    app.use((ctx) => {
      ctx.body = ctx.path === '/page' ? page : answerOf((ctx.request.body as { model: string }).model);
    });
    return app.listen(0, '127.0.0.1');
  },
};

export async function start(framework: Framework, variant: Variant): Promise<Server> {
  const server = await starts[framework](variant);
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  return server;
}
