/** Everything around the limits: where the gateway listens, the store, the queue, the clients, the guard, prices, alerts. */
import { z } from 'zod';
import { type AlertEvent, alertEvents } from '../../model.js';
import { readGuardOption } from '../guard-options.js';
import type { HeaderSet } from '../policy.js';
import { fault, isFault, type Read } from '../read.js';
import { nearest, oneOf } from '../spelling.js';
import {
  bytes,
  count,
  countOrZero,
  dollars,
  duration,
  durationOrZero,
  filledList,
  filledText,
  section,
  text,
  word,
  written,
} from './leaf.js';

const listenExpected = 'an address and a port, such as `127.0.0.1:8080`, `:8080`, `8080` or `[::1]:8080`';

/** A port alone keeps to this machine; a colon and a port is every address of it, as other servers have it. */
export const listen = written((input): Read<{ host: string; port: number }> => {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*):)?(\d{1,5})$/.exec(String(input).trim());
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) return fault(listenExpected);
  const [, host] = match;
  if (host === undefined) return { value: { host: '127.0.0.1', port } };
  return { value: { host: host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''), port } };
}, listenExpected);

const storeExpected = '`memory`, an address such as `redis://127.0.0.1:6379`, or `{ redis: <address>, prefix: hg }`';
const redisUrl = text((input): Read<string> => {
  const good = /^rediss?:\/\/[^/]/.test(input) && URL.canParse(input);
  return good ? { value: input } : fault('an address such as `redis://127.0.0.1:6379`');
}, 'an address such as `redis://127.0.0.1:6379`');

const storeWord = text((input): Read<{ redis?: string }> => {
  if (input === 'memory') return { value: {} };
  if (/^rediss?:\/\/[^/]/.test(input) && URL.canParse(input)) return { value: { redis: input } };
  return fault(storeExpected, nearest(input, ['memory']));
}, storeExpected);

const storeSection = section(
  {
    redis: redisUrl,
    prefix: text(
      (input): Read<string> =>
        /^[\w.:-]{1,64}$/.test(input) ? { value: input } : fault('a short prefix of the keys in Redis, such as `hg`'),
      'a short prefix of the keys in Redis, such as `hg`',
    ).optional(),
    onDown: word(['open', 'closed', 'local-share'])
      .optional()
      .describe('While Redis is down: admit all, refuse all, or each process its share'),
  },
  storeExpected,
);
export const store = z.union([storeWord, storeSection], { error: () => storeExpected });

const zoneExpected = 'the name of a time zone, such as `UTC` or `Europe/Berlin`';
export const timeZone = text((input): Read<string> => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: input });
    return { value: input };
  } catch {
    return fault(zoneExpected, nearest(input, ['UTC', ...Intl.supportedValuesOf('timeZone')]));
  }
}, zoneExpected);

export const queue = section({
  depth: countOrZero.optional().describe('Most requests waiting'),
  wait: durationOrZero.optional().describe('Longest wait'),
  fairness: word(['tokens', 'none'])
    .optional()
    .describe('tokens: fair by tokens between identities; none: first come, first served'),
  priority: word(['weighted', 'strict'])
    .optional()
    .describe('weighted: high, normal and low share 9 to 3 to 1; strict: a lower one waits while a higher one can go'),
  aging: durationOrZero
    .optional()
    .describe('Only with `priority: strict`: wait after which a lower priority gets every second slot'),
});

export const client = section({
  headers: duration.optional(),
  body: duration.optional(),
  keepAlive: duration.optional(),
  idleRead: duration.optional(),
  connections: count.optional().describe('Per address'),
  trustProxy: countOrZero.optional().describe('Proxies in front whose X-Forwarded-For entries are believed'),
});

export const log = section({
  access: filledText('`stdout` or the path of a file').optional(),
  format: word(['json', 'combined', 'pretty']).optional(),
});

const environmentKey = 'a key without spaces, best kept in a variable of the environment';
export const admin = section({
  key: z
    .string({ error: () => environmentKey })
    .regex(/^[\x21-\x7e]+$/, { error: () => environmentKey })
    .optional()
    .describe('For /metrics and the other pages for operators; without it only the machine itself'),
});

const price = section(
  {
    input: dollars.optional().describe('Dollars per million input tokens'),
    output: dollars.optional().describe('Dollars per million output tokens'),
    gpuSecond: dollars.optional().describe('Dollars per second of the accelerator'),
  },
  'a mapping such as `{ input: $0.60, output: $0.80 }`',
).refine((given) => Object.keys(given).length > 0, { error: () => 'at least one of input, output and gpuSecond' });
export const prices = z.record(z.string(), price, {
  error: () => 'a mapping of models to prices, such as `"llama3.1:70b": { input: $0.60, output: $0.80 }`',
});

const guardPath = text(
  (input): Read<string> =>
    /^\/[^\s?#*]*$/.test(input) ? { value: input } : fault('an exact path such as `/v1/audio/transcriptions`'),
  'an exact path such as `/v1/audio/transcriptions`',
);
const originExpected = 'an origin such as `https://app.example.com`, without a path, or `*` for every page';
const defaultPort = /^(http:\/\/.*):80$|^(https:\/\/.*):443$/;

/** As browsers send it: in lower case, without the usual port. */
const origin = text((input): Read<string> => {
  const given = input.trim().toLowerCase().replace(defaultPort, '$1$2');
  if (given === '*' || /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,]+$/.test(given)) return { value: given };
  const [, written = ''] = /^((?:[a-z][a-z0-9+.-]*:\/\/)?[^\s/?#@,:]+(?::\d+)?)(?:[/?#].*)?$/.exec(given) ?? [];
  if (!/[.:]/.test(written)) return fault(originExpected);
  return fault(originExpected, written.includes('://') ? written : `https://${written}`);
}, originExpected);
const option = z.union([z.number(), z.string(), z.boolean()], { error: () => 'a number, text, `true` or `false`' });
const options = z
  .record(z.string(), option, { error: () => 'a mapping such as `{ num_ctx: 8192 }`' })
  .transform((given, context): Record<string, string | number | boolean> => {
    const values: Record<string, string | number | boolean> = {};
    for (const [name, input] of Object.entries(given)) {
      const read = readGuardOption(name, input);
      if (!isFault(read)) values[name] = read.value;
      else {
        const { expected: message, nearest } = read;
        context.issues.push({ code: 'custom', message, params: { nearest }, path: [name], input });
      }
    }
    return values;
  });

export const guard = section({
  admin: word(['deny', 'allow']).optional().describe('pull, push, create, copy, delete, blobs, unload'),
  cloud: word(['deny', 'allow']).optional().describe('Models that are forwarded to a paid account'),
  options: options.optional().describe('Pinned options of Ollama'),
  keepAlive: duration.optional().describe('Longest keep_alive a client may ask for'),
  inputs: count.optional().describe('Most embedding inputs in one request'),
  body: bytes.optional().describe('Largest body of a request'),
  paths: z
    .array(guardPath, { error: () => 'a list of paths' })
    .optional()
    .describe('Further exact paths to let through'),
  origins: z
    .array(origin, { error: () => 'a list of origins such as `[https://app.example.com]`' })
    .optional()
    .describe('Further web pages that may ask, and names to be asked by; `*` stands for anything'),
});

const headerSets = ['ietf', 'legacy', 'openai'] as const satisfies readonly HeaderSet[];
export const headers = z.array(word(headerSets), { error: () => `a list of ${oneOf(headerSets)}` });

const webhook = text((input): Read<string> => {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  const good = url?.protocol === 'https:' || url?.protocol === 'http:';
  return good ? { value: input } : fault('an address such as `https://hooks.example/x`');
}, 'an address such as `https://hooks.example/x`');
const event = text(
  (input): Read<AlertEvent> => {
    const known = alertEvents.find((one) => one === input);
    return known === undefined ? fault(`one of ${oneOf(alertEvents)}`, nearest(input, alertEvents)) : { value: known };
  },
  `one of ${oneOf(alertEvents)}`,
);

export const alerts = z.array(
  section(
    {
      webhook,
      secret: filledText('a secret, best kept in a variable of the environment').optional(),
      on: filledList(
        event,
        'a list of events such as `[limit-alert, backend-down]`',
        'a list of events, at least one',
      ).optional(),
    },
    'a mapping such as `{ webhook: https://hooks.example/x, on: [limit-alert] }`',
  ),
  { error: () => 'a list such as `[{ webhook: https://hooks.example/x, on: [limit-alert] }]`' },
);
