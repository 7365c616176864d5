/** Traces as CSV: `ts_ms,client_id,input_tokens,output_tokens` or `ts_ms,client_id,method,path,...`, in any order of columns. */
import type { ReadLine } from './record.js';

export function isTraceHeader(first: string): boolean {
  const names = first.split(',');
  return names.includes('ts_ms') && names.every((name) => /^[a-z_]+$/.test(name));
}

/** Fields are plain: a path with a comma in it is quoted by nobody, so it is the last field that may hold one. */
export function csvFormat(head: string): ReadLine {
  const names = head.split(',');
  const at = (name: string): number => names.indexOf(name);
  const [time, client, input, output] = [at('ts_ms'), at('client_id'), at('input_tokens'), at('output_tokens')];
  const [method, path] = [at('method'), at('path')];
  return (line) => {
    const fields = line.split(',');
    const ms = Number(fields[time]);
    if (fields[time] === '' || !Number.isFinite(ms)) return undefined;
    const who = fields[client] ?? '';
    const count = (index: number): number | undefined => (index < 0 ? undefined : numberOf(fields[index]));
    const inputTokens = count(input);
    const outputTokens = count(output);
    return {
      at: ms,
      ...(who === '' ? {} : { identity: who }),
      address: '',
      method: fields[method] ?? 'POST',
      path: fields[path] ?? '/api/chat',
      ...(path < 0 ? { operation: 'chat' } : {}),
      ...(inputTokens === undefined ? {} : { inputTokens }),
      ...(outputTokens === undefined ? {} : { outputTokens }),
    };
  };
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text);
  return text === undefined || text === '' || !Number.isFinite(value) || value < 0 ? undefined : value;
}
