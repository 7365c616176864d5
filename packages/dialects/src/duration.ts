/** Durations as Go writes them (`5m`, `1h30m`, `1.5s`, `-1s`, `0`), for `keep_alive`. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  '\u00b5s': 1e-3,
  '\u03bcs': 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const part = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
/** Go holds a duration in 63 bits of nanoseconds. */
const msMax = 2 ** 63 / 1e6;
const lengthMax = 64;

/** The duration in ms; undefined when Go would refuse the text. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > lengthMax) return undefined;
  const negative = text.startsWith('-');
  const unsigned = text.replace(/^[+-]/, '');
  if (unsigned === '0') return 0;
  if (unsigned === '') return undefined;
  let totalMs = 0;
  part.lastIndex = 0;
  while (part.lastIndex < unsigned.length) {
    const match = part.exec(unsigned);
    if (match === null) return undefined;
    totalMs += Number(match[1]) * unitMs[match[2]!]!;
  }
  if (totalMs >= msMax) return undefined;
  return negative ? -totalMs : totalMs;
}
