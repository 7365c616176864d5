/** The commands: reads the command line, runs one, and turns what goes wrong into one clear line and an exit status. */
import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { HeadgateError } from '@headgate/core';
import { check } from './check.js';
import { demo } from './demo.js';
import { key } from './key.js';
import { replay } from './replay.js';
import { serve } from './serve.js';
import { CommandError, help, UsageError } from './usage.js';

/** @returns the exit status, once the command is done; serving is done when it was told to stop */
export async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    await command(args, env);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`headgate: ${error.message}; see headgate --help`);
      return 2;
    }
    if (!(error instanceof CommandError || error instanceof HeadgateError)) throw error;
    console.error(`headgate: ${error.message}`);
    return 1;
  }
}

async function command([name = '', ...rest]: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  if (name === '--help' || name === '-h' || name === 'help' || rest.includes('--help') || rest.includes('-h')) {
    console.log(help);
    return;
  }
  switch (name) {
    case '--version':
      console.log(version());
      return;
    case 'serve':
      return serve(values(rest, { config: one, port: one, host: one, backend: many }, 'more'), env);
    case 'check':
      return check(values(rest, {}, 'one').positionals, env);
    case 'key':
      return key(values(rest, { id: one, tier: one }, 'none').values);
    case 'demo':
      return demo(values(rest, { port: one, host: one }, 'none').values, env);
    case 'replay': {
      const { positionals, values: given } = values(rest, { log: one, json: flag }, 'one');
      return replay(positionals, given, env);
    }
    case '':
      throw new UsageError('a command is missing: serve, check, replay, key or demo');
    default:
      throw new UsageError(`there is no command "${name}": it is serve, check, replay, key or demo`);
  }
}

const one = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const many = { type: 'string', multiple: true } as const;

function values<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  operands: 'none' | 'one' | 'more',
) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: operands !== 'none', tokens: true });
    if ((parsed.positionals as readonly string[]).includes('')) throw new Error('an argument is empty');
    if (operands === 'one' && parsed.positionals.length !== 1) throw new Error('it takes one FILE');
    checkFlags(parsed.tokens, options);
    return parsed;
  } catch (error) {
    // Node's messages go on with advice about its own syntax after the first sentence.
    const [message] = (error instanceof Error ? error.message : String(error)).split('. ', 1);
    throw new UsageError(message!.replace(/^./, (letter) => letter.toLowerCase()));
  }
}

/** Node passes over an empty value, and over all but the last of a flag that may stand once. */
function checkFlags(
  tokens: readonly { readonly kind: string; readonly name?: string; readonly value?: string | undefined }[],
  options: NonNullable<ParseArgsConfig['options']>,
): void {
  const seen = new Set<string>();
  for (const { kind, name = '', value } of tokens) {
    if (kind !== 'option') continue;
    if (value === '') throw new Error(`--${name} needs a value`);
    if (seen.has(name) && options[name]?.multiple !== true) throw new Error(`--${name} stands twice`);
    seen.add(name);
  }
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
