#!/usr/bin/env node
import { run } from './cli/run.js';

const status = await run(process.argv.slice(2), process.env);
process.exit(status);
