/** `jobs`: requests that are left with the gateway, and whom it may tell when they are done. */
import type { CallbackHost } from '../policy.js';
import { fault, type Read } from '../read.js';
import { bytes, count, countOrZero, duration, filledList, filledText, section, text, word } from './leaf.js';

const hostExpected =
  'a host such as `hooks.example`, `*.hooks.example`, `hooks.example:8443` or `http://10.0.0.5:8080`';

/** Without a scheme https is meant, and without a port that of the scheme. */
const host = text((input): Read<CallbackHost> => {
  const [, scheme = 'https', wild = '', rest = ''] =
    /^(?:(https?):\/\/)?(\*\.)?([^/?#@\s*]+)$/.exec(input.trim().toLowerCase()) ?? [];
  // The names of hosts as URLs have them, so that both are compared in the same spelling.
  const address = `${scheme}://${rest}`;
  if (rest === '' || !URL.canParse(address)) return fault(hostExpected);
  const { hostname, port, pathname } = new URL(address);
  if (hostname === '' || pathname !== '/') return fault(hostExpected);
  const secure = scheme === 'https';
  return { value: { secure, host: wild + hostname, port: port === '' ? (secure ? 443 : 80) : Number(port) } };
}, hostExpected);

const callbacks = section(
  {
    hosts: filledList(host, 'a list of hosts such as `[hooks.example]`', 'a list of hosts, at least one').describe(
      'Where callbacks may go',
    ),
    secret: filledText('a secret, best kept in a variable of the environment').describe('Signs them'),
    private: word(['deny', 'allow'])
      .optional()
      .describe('allow: also hosts whose address is of this machine or of a private network'),
  },
  'a mapping such as `{ hosts: [hooks.example], secret: a-secret }`',
);

export const jobs = section({
  depth: countOrZero.optional().describe('Most jobs that wait or run; 0 takes none'),
  perIdentity: count.optional().describe('Most of them from one identity'),
  body: bytes.optional().describe('Largest job'),
  result: bytes.optional().describe('Largest answer that is kept'),
  wait: duration.optional().describe('Longest from submission to the end'),
  keep: duration.optional().describe('How long an ended job is kept'),
  tries: count.optional().describe('Most tries of a job whose backends fail'),
  lease: duration.optional().describe('How long a job of a gateway that is gone stays with it'),
  callbacks: callbacks.optional().describe('Whom a job may name to be told when it is done'),
});
