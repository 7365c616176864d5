// @ts-check
// Numbers and times as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumFractionDigits: 4 });

/** @param {number} value */
export function count(value) {
  return Math.abs(value) < 10_000 ? whole.format(value) : short.format(value).replace('K', 'k');
}

/** @param {number} value */
export function rate(value) {
  return value < 100 ? tenths.format(value) : count(value);
}

/**
 * @param {number} value
 * @param {string} measure
 */
export function amount(value, measure) {
  if (measure === 'cost') return dollars.format(value);
  if (measure === 'gpuSeconds') return duration(value * 1000);
  // Part of a token or a request helps nobody.
  return count(Math.floor(value));
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return `${whole.format(ms)} ms`;
  if (ms < 10_000) return `${tenths.format(ms / 1_000)} s`;
  if (ms < 120_000) return `${whole.format(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${whole.format(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${whole.format(ms / 3_600_000)} h`;
  return `${whole.format(ms / 86_400_000)} days`;
}

/** @param {number} ms */
export function ago(ms) {
  return ms < 2_000 ? 'now' : `${duration(1_000 * Math.floor(ms / 1_000))} ago`;
}

/** @param {number} at epoch ms */
export function clockTime(at) {
  return new Date(at).toLocaleTimeString('en-GB');
}

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}
