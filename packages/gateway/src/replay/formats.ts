/** The formats of logs: found out from the first line, then read line by line. */
import { accessLogLine } from './access-log-format.js';
import { csvFormat, isTraceHeader } from './csv-format.js';
import { jsonLine } from './json-format.js';
import type { ReadLine } from './record.js';

export interface Format {
  readonly name: string;
  readonly read: ReadLine;
  /** Whether the first line is a head and no request. */
  readonly hasHead: boolean;
}

/** The format of a log whose first line this is; undefined for one that is not known. */
export function formatOf(first: string): Format | undefined {
  if (first.startsWith('{')) return { name: 'JSON lines', read: jsonLine, hasHead: false };
  if (isTraceHeader(first)) return { name: 'trace (CSV)', read: csvFormat(first), hasHead: true };
  if (accessLogLine(first) !== undefined) return { name: 'access log', read: accessLogLine, hasHead: false };
  return undefined;
}
