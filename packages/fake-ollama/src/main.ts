#!/usr/bin/env node
import { HELP, readArguments, UsageError } from './cli/arguments.js';
import { startFakeOllama } from './server.js';

/** Prints one line and returns the exit code: 2 for a wrong command line, 1 for what the machine refuses. */
function complaint(error: unknown): number {
  const usage = error instanceof UsageError || error instanceof RangeError;
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  let text = message;
  if (code === 'EADDRINUSE') text = `port ${port} is already in use; choose another with --port`;
  if (code === 'EACCES') text = `no permission to listen on port ${port}; choose another with --port`;
  process.stderr.write(`fake-ollama: ${text}\n`);
  return usage ? 2 : 1;
}

try {
  const options = readArguments(process.argv.slice(2));
  if (options === undefined) process.stdout.write(HELP);
  else {
    const server = await startFakeOllama(options);
    process.stdout.write(`fake-ollama listening on ${server.url}\n`);
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => void server.close().then(() => process.exit(0)));
    }
  }
} catch (error) {
  process.exitCode = complaint(error);
}
