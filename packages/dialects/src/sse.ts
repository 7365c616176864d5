/**
 * Server-sent events, as the WHATWG HTML standard defines the stream: lines end in LF, CR LF or CR; an empty line ends an
 * event; a line that starts with a colon is a comment; the data of one event is its `data` lines joined by newlines.
 */
import type { Framing } from './framing.js';

const lf = 0x0a;
const cr = 0x0d;

/** Where the scan stands in the stream. */
type At =
  /** At the start of a line. */
  | 'line-start'
  /** Inside a line. */
  | 'line'
  /** After the CR that ended a line with text: an LF belongs to it. */
  | 'line-cr'
  /** After the CR of an empty line in a stream whose lines end in CR LF: its LF is still to come. */
  | 'event-cr';

export function sseFraming(): Framing {
  let at: At = 'line-start';
  let crlf = false;
  return {
    separator: '\n\n',
    next(chunk, from) {
      for (let index = from; index < chunk.length; index += 1) {
        const code = chunk[index]!;
        if (at === 'event-cr') {
          at = 'line-start';
          return code === lf ? index + 1 : index;
        }
        if (at === 'line-cr') {
          at = 'line-start';
          crlf = code === lf;
          if (crlf) continue;
        }
        if (code !== lf && code !== cr) at = 'line';
        else if (at === 'line') {
          at = code === cr ? 'line-cr' : 'line-start';
          crlf = false;
        } else if (code === cr && crlf) at = 'event-cr';
        else return index + 1;
      }
      return -1;
    },
  };
}

export interface SseEvent {
  /** Empty when the event has no name. */
  readonly event: string;
  /** Undefined when the event has no data: comments only. */
  readonly data: string | undefined;
}

/** The fields of one event, its blank line included or not. */
export function parseSseEvent(text: string): SseEvent {
  let event = '';
  let data: string | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line.startsWith('data:')) {
      const value = line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5);
      data = data === undefined ? value : `${data}\n${value}`;
    } else if (line.startsWith('event:')) event = line.slice(6).trimStart();
  }
  return { event, data };
}

export function sseText(data: string, event?: string): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${data}\n\n`;
}
