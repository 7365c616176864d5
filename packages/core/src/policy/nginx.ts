/**
 * nginx's spelling of a request limit, with nginx's meaning (ngx_http_limit_req_module): one request may always pass, `burst`
 * counts those beyond it, so `burst=3 nodelay` admits four at once, and without `nodelay` the ones beyond wait for their turn.
 */
import { compact, fault, isFault, type Read } from './read.js';

export interface NginxAmount {
  readonly amount: number;
  readonly capacity: number;
  readonly periodMs: number;
  readonly period: 's' | 'min';
  readonly delay?: { readonly after: number };
}

const rate = /^(\d+)r\/([a-z]+)$/;
const mixed = /\b(burst|delay)=|\bnodelay\b/;

/** Anything with a word only nginx has; a mixture of both spellings must end here too, to be told so. */
export function looksLikeNginx(text: string): boolean {
  return /^[\d.]+\s*r\//.test(text) || mixed.test(text);
}

interface Options {
  burst?: number;
  delay?: number;
  nodelay: boolean;
}

export function readNginx(text: string): Read<NginxAmount> {
  const [first = '', ...words] = text.split(' ');
  const ours = /^(\d+)(?:r)?\/(\w+)/.exec(text);
  const match = rate.exec(first);
  if (match === null || words.some((word) => ['burst', 'rolling', 'calendar'].includes(word))) {
    if (ours === null || !/^(s|m)/.test(ours[2]!))
      return fault("a whole rate in nginx's spelling, such as `10r/m burst=3 nodelay`");
    const unit = ours[2]![0]!;
    return fault(
      `one spelling of the two, not a mixture: \`${ours[1]}/${unit === 'm' ? 'min' : 's'} burst 4\` (four at once) ` +
        `or, as nginx writes the same, \`${ours[1]}r/${unit} burst=3 nodelay\``,
    );
  }
  if (match[2] !== 's' && match[2] !== 'm')
    return fault('`r/s` or `r/m`, the two rates nginx knows; or our spelling, such as `60/hour`');
  const amount = Number(match[1]);
  if (amount < 1 || amount > 1e9) return fault('a rate of at least one request, such as `10r/m`');
  const options = readOptions(words);
  if (isFault(options)) return options;
  return { value: compose(amount, match[2], options.value) };
}

function readOptions(words: readonly string[]): Read<Options> {
  const options: Options = { nodelay: false };
  for (const word of words) {
    const [, key, value] = /^(burst|delay)=(\d{1,9})$/.exec(word) ?? [];
    if (key === 'burst' && options.burst === undefined) options.burst = Number(value);
    else if (key === 'delay' && options.delay === undefined) options.delay = Number(value);
    else if (word === 'nodelay' && !options.nodelay) options.nodelay = true;
    else return fault("`burst=<n>`, `nodelay` or `delay=<n>`, each once, as in nginx's `10r/m burst=3 nodelay`");
  }
  if (options.nodelay && options.delay !== undefined) return fault('`nodelay` or `delay=<n>`, not both');
  return { value: options };
}

function compose(amount: number, unit: 's' | 'm', { burst = 0, delay = 0, nodelay }: Options): NginxAmount {
  // The excess over the rate is what nginx compares with burst and delay, and the first request has none: one more passes than they say.
  const nobodyWaits = nodelay || delay >= burst;
  return compact({
    amount,
    capacity: burst + 1,
    periodMs: unit === 's' ? 1000 : 60_000,
    delay: nobodyWaits ? undefined : { after: delay + 1 },
    period: unit === 's' ? ('s' as const) : ('min' as const),
  });
}
