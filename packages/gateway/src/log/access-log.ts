/** The access log: one line a request. Never a key, a prompt or an answer. */
import { mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, HeadgateError, type Policy } from '@headgate/core';
import { destination, pino } from 'pino';
import type { RequestRecord } from '../exchange/record.js';
import { combinedLine, jsonLine, onOneLine, prettyLine } from './lines.js';
import { Violations } from './violations.js';

/** Where lines go. */
export interface LogSink {
  write(text: string): unknown;
}

export interface AccessLog {
  request(record: RequestRecord): void;
  /** Something that an operator should see: a sentence, and what it is made of. */
  note(sentence: string, fields: Readonly<Record<string, unknown>>): void;
  error(error: unknown): void;
  /** Writes out what is still held. */
  close(): void;
}

/** Lines held while whoever reads them is slow; past this they are dropped, rather than kept or waited for. */
const heldBytesMax = 16 * 1024 * 1024;

/**
 * @param sink instead of the policy's standard output or file
 * @throws HeadgateError `HG_LOG` when the file cannot be written
 */
export function accessLog({ access, format }: Policy['log'], sink?: LogSink): AccessLog {
  if (sink !== undefined) return { ...logTo(sink, format), close: () => {} };
  const fd = access === 'stdout' ? 1 : openLog(access);
  const file = destination({ dest: fd, sync: false, maxLength: heldBytesMax });
  // Standard output may be a pipe whose reader has gone; requests are served all the same.
  file.on('error', () => {});
  const lines = new LinesOfATurn(file);
  const close = (): void => {
    lines.flush();
    file.flushSync();
    if (fd !== 1) file.end();
  };
  return { ...logTo(lines, format), close };
}

/**
 * Hands on in one piece what is written in one turn of the event loop. The stream behind measures all that it holds with every
 * write, which under load costs more than the line.
 */
class LinesOfATurn implements LogSink {
  readonly #out: LogSink;
  #held = '';

  constructor(out: LogSink) {
    this.#out = out;
  }

  write(text: string): void {
    if (this.#held === '') setImmediate(() => this.flush());
    this.#held += text;
  }

  flush(): void {
    const held = this.#held;
    this.#held = '';
    if (held !== '') this.#out.write(held);
  }
}

/** The access log of whichever policy is in force, with the sum of its refusals. */
export class ReopenedLog implements AccessLog {
  readonly violations: Violations;
  readonly #sink: LogSink | undefined;
  #rules: Policy['log'];
  #log: AccessLog;

  /** @throws HeadgateError `HG_LOG`, as `accessLog` */
  constructor(rules: Policy['log'], clock: Clock, sink?: LogSink) {
    this.violations = new Violations(clock, this);
    this.#sink = sink;
    this.#rules = rules;
    this.#log = accessLog(rules, sink);
  }

  /**
   * Opens the log of these rules; a file is opened anew in any case, since it may have been moved away to begin another.
   * @returns puts it in place of the one before
   * @throws HeadgateError `HG_LOG`, and the one before stays
   */
  prepare(rules: Policy['log']): () => void {
    const isSame = rules.access === this.#rules.access && rules.format === this.#rules.format;
    if (isSame && (rules.access === 'stdout' || this.#sink !== undefined)) return () => {};
    const log = accessLog(rules, this.#sink);
    return () => {
      this.#log.close();
      this.#log = log;
      this.#rules = rules;
    };
  }

  request(record: RequestRecord): void {
    this.#log.request(record);
    this.violations.observe(record);
  }

  note(sentence: string, fields: Readonly<Record<string, unknown>>): void {
    this.#log.note(sentence, fields);
  }

  error(error: unknown): void {
    this.#log.error(error);
  }

  close(): void {
    this.violations.close();
    this.#log.close();
  }
}

function openLog(file: string): number {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return openSync(file, 'a');
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new HeadgateError('HG_LOG', `the access log ${file} cannot be written (${code})`);
  }
}

function logTo(out: LogSink, format: Policy['log']['format']): Omit<AccessLog, 'close'> {
  return format === 'json' ? jsonLog(out) : textLog(out, format);
}

function jsonLog(out: LogSink): Omit<AccessLog, 'close'> {
  const options = {
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (level: string) => ({ level }) },
  };
  const log = pino(options, { write: (text) => void out.write(text) });
  return {
    // Written by hand: there are as many of these as requests.
    request: (record) => void out.write(`${jsonLine(record, new Date().toISOString())}\n`),
    note: (sentence, fields) => log.warn(fields, sentence),
    error: (error) => log.error({ err: error }, 'the gateway failed'),
  };
}

function textLog(out: LogSink, format: 'combined' | 'pretty'): Omit<AccessLog, 'close'> {
  const line = format === 'combined' ? combinedLine : prettyLine;
  return {
    request: (record) => out.write(`${line(record)}\n`),
    note: (sentence) => out.write(`# ${onOneLine(sentence)}\n`),
    error: (error) => out.write(`# the gateway failed: ${error instanceof Error ? error.stack : String(error)}\n`),
  };
}
