/** `backends` and `pool`: who answers, and what happens when one does not. */
import { z } from 'zod';
import type { RetryCause } from '../policy.js';
import { fault, type Read } from '../read.js';
import { nearest, oneOf } from '../spelling.js';
import { count, duration, section, shareOrZero, text, weight, word, written } from './leaf.js';
import { models } from './patterns.js';

const urlExpected = 'the address of a server, http or https, such as `http://127.0.0.1:11434`';

function readBackendUrl(input: string): Read<string> {
  const given = input.trim();
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) {
    const right = `http://${given}`;
    return fault(urlExpected, /^[\w.-]+(:\d+)?$/.test(given) && URL.canParse(right) ? right : undefined);
  }
  if (!URL.canParse(given)) return fault(urlExpected);
  const url = new URL(given);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return fault(urlExpected);
  if (url.username !== '' || url.password !== '')
    return fault(`${urlExpected}, without a user and password; use \`headers\``);
  if (url.search !== '' || url.hash !== '') return fault(`${urlExpected}, without \`?\` and \`#\``);
  return { value: url.href.replace(/\/+$/, '') };
}

export const backendUrl = text(readBackendUrl, urlExpected);

const nameExpected = 'a name of letters, digits and `._:-`, such as `gpu1`';
const backendName = text(
  (input): Read<string> =>
    /^[A-Za-z0-9[][A-Za-z0-9._:[\]-]{0,127}$/.test(input) ? { value: input } : fault(nameExpected),
  nameExpected,
);

const headerValue = text(
  (input): Read<string> =>
    /^[\t\x20-\x7e\x80-\xff]*$/.test(input) ? { value: input } : fault('the value of a header, on one line'),
  'the value of a header',
);
const headers = z
  .record(z.string(), headerValue, { error: () => 'a mapping of header names to values, such as `{ x-team: a }`' })
  .superRefine((record, context) => {
    for (const name of Object.keys(record)) {
      if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) continue;
      context.addIssue({ code: 'custom', path: [name], message: 'the name of a header, such as `x-team`' });
    }
  });

export const backendSchema = section(
  {
    url: backendUrl,
    name: backendName.optional().describe('What `x-headgate-backend`, logs and metrics say; host:port unless said'),
    slots: count.optional().describe('Most requests at once; 1 unless said'),
    weight: weight.optional(),
    models: models.optional().describe('What it serves; everything unless said'),
    drain: z.boolean().optional().describe('Takes no new requests'),
    headers: headers.optional().describe('Added to every request to it'),
  },
  'the address of a server, or a mapping such as `{ url: http://127.0.0.1:11434, slots: 1 }`',
);

export const backendsSchema = z.array(
  z.union([backendUrl, backendSchema], {
    error: () => 'the address of a server, or a mapping such as `{ url: http://127.0.0.1:11434, slots: 1 }`',
  }),
  { error: () => 'a list of servers, such as `[http://127.0.0.1:11434]`' },
);

const picks = ['least-wait', 'least-busy', 'round-robin', 'random-two'] as const;
const causes = ['connect', 'reset', 'first-byte', '502', '503', '504', '429'] as const satisfies readonly RetryCause[];

const cause = written((input): Read<RetryCause> => {
  const known = causes.find((candidate) => candidate === String(input).trim());
  return known === undefined ? fault(oneOf(causes), nearest(String(input), causes)) : { value: known };
}, oneOf(causes));

const path = text(
  (input): Read<string> => (/^\/[\x21-\x7e]*$/.test(input) ? { value: input } : fault('a path such as `/api/version`')),
  'a path such as `/api/version`',
);

const timeouts = {
  connect: duration.optional(),
  firstByte: duration.optional().describe('From the request sent to the first byte of the answer'),
  idle: duration.optional().describe('Between two bytes of an answer'),
  total: duration.optional(),
};
const operationTimeouts = section(timeouts, 'a mapping such as `{ firstByte: 60s }`').optional();

export const poolSchema = section(
  {
    pick: word(picks).optional().describe('How a backend is chosen'),
    health: section({
      path: path.optional(),
      every: duration.optional(),
      timeout: duration.optional(),
      rise: count.optional().describe('Good probes in a row to be usable again'),
      fall: count.optional().describe('Bad probes in a row to be down'),
    }).optional(),
    eject: section({
      failures: count.optional().describe('In a row'),
      for: duration.optional(),
      max: shareOrZero.optional().describe('Share of the backends, rounded down; a single one never'),
    }).optional(),
    retry: section({
      tries: count.optional().describe('Tries in all'),
      on: z.array(cause, { error: () => `a list of ${oneOf(causes)}` }).optional(),
      budget: shareOrZero.optional().describe('Share of the requests of the last 10 s, never fewer than 3'),
    }).optional(),
    timeout: section({
      ...timeouts,
      embed: operationTimeouts,
      chat: operationTimeouts,
      generate: operationTimeouts,
    }).optional(),
  },
  'a mapping such as `{ pick: least-busy }`',
);
