/** JSON as Go writes it: angle brackets, ampersands and line separators escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Fields that are zero, false, empty or missing, which Go leaves out with `omitempty`. */
export function omitEmpty<T extends object>(fields: T): Partial<T> {
  const kept = Object.entries(fields).filter(([, value]) => {
    if (Array.isArray(value)) return value.length > 0;
    return value !== undefined && value !== null && value !== '' && value !== 0 && value !== false;
  });
  return Object.fromEntries(kept) as Partial<T>;
}

/** RFC 3339 in UTC with up to nine fractional digits, without trailing zeros. */
export function timestamp(ms: number): string {
  const whole = Math.floor(ms / 1000);
  const nanos = Math.round((ms - whole * 1000) * 1000) * 1000;
  const fraction = String(Math.min(nanos, 999_999_000)).padStart(9, '0').replace(/0+$/, '');
  const date = new Date(whole * 1000).toISOString().slice(0, 19);
  return fraction === '' ? `${date}Z` : `${date}.${fraction}Z`;
}

/** Go's `time.Duration` text, such as `5m` or `1.5h`, in milliseconds; an Error with Go's text when it is none. */
export function goDurationMs(text: string): number | Error {
  const units: Record<string, number> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    μs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') return new Error(`time: invalid duration ${JSON.stringify(text)}`);
  let totalMs = 0;
  while (rest !== '') {
    const part = /^([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)/.exec(rest);
    if (part === null) return new Error(`time: invalid duration ${JSON.stringify(text)}`);
    const [matched, amount, unit] = part as unknown as [string, string, string];
    if (unit === '') return new Error(`time: missing unit in duration ${JSON.stringify(text)}`);
    const unitMs = units[unit];
    if (unitMs === undefined) {
      return new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    }
    totalMs += Number(amount) * unitMs;
    rest = rest.slice(matched.length);
  }
  return sign * totalMs;
}
