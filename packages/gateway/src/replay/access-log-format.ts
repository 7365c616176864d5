/**
 * The common and the combined log format of nginx and Apache, and our own combined one, which appends backend and times:
 * `198.18.0.1 - user [01/Aug/1995:02:00:00 -0400] "GET /api/tags HTTP/1.1" 200 1713 "referer" "agent" gpu1 0.000 0.120 2.500`
 */
import type { PastRequest } from './record.js';

const line =
  /^(\S+) \S+ (\S+) \[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{2})(\d{2})\] "([^"\\]*(?:\\.[^"\\]*)*)" (\d{3}) (?:\d+|-)(.*)$/;
const ours = / (\S+) (?:-|\d+\.\d{3}) (?:-|\d+\.\d{3}) (-|\d+\.\d{3})$/;
const requestLine = /^([A-Z]+) (\S+)/;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function accessLogLine(text: string): PastRequest | undefined {
  const found = line.exec(text);
  if (found === null) return undefined;
  const [, address = '', user = '-', day, month = '', year, hour, minute, second, offsetHours, offsetMinutes] = found;
  const [, , , , , , , , , , , request = '', , rest = ''] = found;
  const monthIndex = months.indexOf(month);
  if (monthIndex < 0) return undefined;
  const local = Date.UTC(Number(year), monthIndex, Number(day), Number(hour), Number(minute), Number(second));
  const offset = Number(offsetHours) * 60 + Math.sign(Number(`${offsetHours}1`)) * Number(offsetMinutes);
  const [, method = 'GET', target = '/'] = requestLine.exec(request) ?? [];
  const took = ours.exec(rest)?.[2];
  return {
    at: local - offset * 60_000,
    ...(user === '-' ? {} : { identity: user }),
    address,
    method,
    path: target.split('?', 1)[0]!,
    ...(took === undefined || took === '-' ? {} : { tookMs: Number(took) * 1000 }),
  };
}
