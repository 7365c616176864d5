/** `headgate replay FILE --log LOG`: what a policy would have refused of past traffic, and which amounts would have fitted. */
import { HeadgateError } from '@headgate/core';
import { readPolicyFile } from '../config/policy-file.js';
import { type Format, formatOf } from '../replay/formats.js';
import { linesOf } from '../replay/lines.js';
import { Replay } from '../replay/replay.js';
import { jsonOf, textOf } from '../replay/report.js';
import { UsageError } from './usage.js';

export interface ReplayOptions {
  readonly log?: string | undefined;
  readonly json?: boolean | undefined;
}

export async function replay(
  [file = '']: readonly string[],
  { log, json = false }: ReplayOptions,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (log === undefined) throw new UsageError('replay needs --log, an access log or a trace');
  const policy = await readPolicyFile(file, env);
  const progress = progressBar(process.stderr);
  let format: Format | undefined;
  let replayed: Replay | undefined;
  let line = 0;
  const unreadable = { count: 0, firstLine: 0 };
  for await (const text of linesOf(log, progress.show)) {
    line++;
    if (text === '') continue;
    if (format === undefined) {
      format = formatOf(text);
      if (format === undefined) {
        throw new HeadgateError(
          'HG_LOG_FILE',
          `${log}: line ${line} is "${text.slice(0, 80)}"; expected an access log in the common or combined format, JSON lines of the gateway, or a CSV with a column ts_ms`,
        );
      }
      if (format.hasHead) continue;
    }
    const past = format.read(text);
    if (past === undefined) {
      if (unreadable.count++ === 0) unreadable.firstLine = line;
      continue;
    }
    replayed ??= new Replay(policy, past.at);
    replayed.request(past);
  }
  progress.clear();
  if (replayed === undefined) throw new HeadgateError('HG_LOG_FILE', `${log}: it holds no requests`);
  console.log(json ? JSON.stringify(jsonOf(replayed, unreadable.count)) : textOf(replayed, unreadable));
}

const width = 30;

/** One line that is written over; nothing where nobody looks. */
function progressBar(out: NodeJS.WriteStream): { show(share: number): void; clear(): void } {
  if (!out.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show: (share) => {
      const full = Math.round(Math.min(1, share) * width);
      out.write(`\r[${'#'.repeat(full)}${' '.repeat(width - full)}] ${Math.round(share * 100)} %`);
    },
    clear: () => void out.write(`\r${' '.repeat(width + 8)}\r`),
  };
}
