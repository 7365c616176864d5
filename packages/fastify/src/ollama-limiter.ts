/** Fastify and the gate, introduced to each other: nothing is decided here. */
import { createLimiter, type Dialect, type Identity, type Limiter, type Refusal } from '@headgate/core';
import {
  aDialectList,
  callbackKinds,
  checkOptions,
  type Headgate,
  isLimiter,
  type OptionKinds,
  oneOfWords,
  type Place,
  parted,
  withMethod,
} from '@headgate/core/http';
import { NodeGate, writeRefusalBody, writeRefusalHead } from '@headgate/core/node';
import { defaultDialects } from '@headgate/dialects';
import { jwtVerifier } from '@headgate/jwt';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by `ollamaLimiter` on every request it admitted. */
    headgate: Headgate | undefined;
  }
  interface FastifyContextConfig {
    /** This route's own policy or limiter in place of the one it would have; `false` for none. */
    headgate?: false | Limiter | OllamaLimiterOptions;
  }
}

export interface AdapterOptions {
  /** Who is asking, where the application knows better than the policy; undefined leaves it to the policy. */
  identify?(
    request: FastifyRequest,
  ): string | Partial<Identity> | undefined | Promise<string | Partial<Identity> | undefined>;
  /** Requests that are no business of the limiter. */
  skip?(request: FastifyRequest): boolean | Promise<boolean>;
  /** Called before a refusal is written, with its status and headers set. May answer itself; if it does not, the refusal is. */
  onRefused?(refusal: Refusal, request: FastifyRequest, reply: FastifyReply): unknown;
  /** Default: Ollama's, OpenAI's and Anthropic's. */
  readonly dialects?: readonly Dialect[];
  /** A limiter made before, in place of a policy. */
  readonly limiter?: Limiter;
  /** `onRequest` (default) decides before Fastify parses the body, `preHandler` after its own parsers and other hooks. */
  readonly hook?: 'onRequest' | 'preHandler';
}

/** A policy, in which the adapter's own options stand too. */
export type OllamaLimiterOptions = AdapterOptions & { readonly [key: string]: unknown };

const optionKinds: OptionKinds<AdapterOptions> = {
  ...callbackKinds,
  dialects: aDialectList,
  limiter: withMethod('admit', 'a limiter that `createLimiter` made'),
  hook: oneOfWords('onRequest', 'preHandler'),
};
/** What `register` itself takes from the options of a plugin. */
const fastifyNames = ['prefix', 'logLevel', 'logSerializers'] as const;

/** A gate, and what the application says about it. */
class Checkpoint {
  readonly limiter: Limiter;
  readonly options: AdapterOptions;
  readonly #gate: NodeGate;
  readonly #mount: string;

  /** @param mount the prefix of the instance that registers it; a limiter for one route knows its path, wherever the API begins in it: `*` */
  constructor(given: Limiter | OllamaLimiterOptions, mount: string) {
    const { own, rest } = isLimiter<Limiter>(given)
      ? { own: { limiter: given }, rest: {} }
      : parted(given, Object.keys(optionKinds));
    checkOptions(own, optionKinds, 'ollamaLimiter');
    this.options = own;
    const policy = parted(rest, fastifyNames).rest;
    // Beside a limiter made before, rules would be none.
    if (this.options.limiter !== undefined) checkOptions(policy, optionKinds, 'ollamaLimiter');
    this.limiter = this.options.limiter ?? createLimiter(policy, { verifyToken: jwtVerifier() });
    this.#gate = new NodeGate(this.limiter, this.options.dialects ?? this.limiter.dialects ?? defaultDialects);
    this.#mount = mount;
  }

  async pass(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { skip, identify, onRefused } = this.options;
    if (await skip?.(request)) return;
    takeParsed(request);
    const ask = { ...placeOf(request, this.#mount), identify: () => identify?.(request) };
    const outcome = await this.#gate.open(request.raw, reply.raw, ask);
    if (outcome?.open) {
      request.headgate = this.#gate.admit(request.raw, reply.raw, outcome.passage);
      this.#gate.askPlain(request.raw, outcome.passage);
      putParsed(request, outcome.passage.body);
      return;
    }
    if (outcome !== undefined) {
      reply.code(outcome.status);
      writeRefusalHead(reply.raw, outcome);
      await onRefused?.(outcome.refusal, request, reply);
      if (reply.sent) return;
      // Headers that other hooks have set, such as those of CORS, are part of a refusal too.
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.hijack();
    if (outcome !== undefined) writeRefusalBody(reply.raw, outcome, this.limiter.clock);
  }
}

/** The URL is the one that `rewriteUrl` has made. */
function placeOf({ raw, routeOptions }: FastifyRequest, mount: string): Place {
  return { mount, routed: [raw.url ?? '/'], pattern: routeOptions.url };
}

/** At `preHandler` Fastify has parsed the body; the gate looks for it where Node's parsers leave it. */
function takeParsed({ raw, body }: FastifyRequest): void {
  if (raw.readableEnded) (raw as { body?: unknown }).body = body;
}

function putParsed(request: FastifyRequest, text: string | undefined): void {
  if (text !== undefined && request.raw.readableEnded) request.body = (request.raw as { body?: unknown }).body;
}

async function plugin(instance: FastifyInstance, given: Limiter | OllamaLimiterOptions): Promise<void> {
  const own = new Checkpoint(given, instance.prefix);
  /** By the value in a route's `config`, so that routes that share one share its counters. */
  const overrides = new WeakMap<object, Checkpoint>();
  const overrideOf = (config: Limiter | OllamaLimiterOptions): Checkpoint => {
    const made = overrides.get(config) ?? new Checkpoint(config, '*');
    overrides.set(config, made);
    return made;
  };

  if (!instance.hasRequestDecorator('headgate')) instance.decorateRequest('headgate', undefined);
  // Routes that are added later fail at the start for what is wrong with their policy; those before, at their first request.
  instance.addHook('onRoute', ({ config }) => {
    if (config?.headgate) overrideOf(config.headgate);
  });
  instance.addHook(own.options.hook ?? 'onRequest', async (request, reply) => {
    const override = request.routeOptions.config.headgate;
    if (override === false || answeredFor.has(request)) return;
    if (override !== undefined) answeredFor.add(request);
    await (override === undefined ? own : overrideOf(override)).pass(request, reply);
  });
  // A limiter that was made here ends with the application: waiters are refused, streams get the policy's time to drain.
  if (own.options.limiter === undefined && !isLimiter(given))
    instance.addHook('preClose', async () => void own.limiter.close());
}

/** Requests whose route has a limiter of its own, which stands for all that are registered around it. */
const answeredFor = new WeakSet<FastifyRequest>();

/**
 * Plugin that holds the requests of LLM clients to a policy: `app.register(ollamaLimiter, { requests: '60/min' })`. Applies to
 * the instance it is registered on and to what is registered below it, whatever the order.
 * @throws PolicyError when the application starts, naming every wrong key of the policy; HeadgateError `HG_OPTIONS` for an option that is wrong
 */
export const ollamaLimiter = Object.assign(plugin, {
  // What fastify-plugin would set: the hooks are for the instance that registers, and not for one of our own below it.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@headgate/fastify',
  [Symbol.for('plugin-meta')]: { name: '@headgate/fastify', fastify: '5.x' },
});
