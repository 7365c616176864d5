import type { Dialect } from '@headgate/core';
import { meter } from './meter.js';
import { read } from './read.js';
import { redact } from './redact.js';
import { refusal } from './refusal.js';
import { route } from './route.js';

/** Ollama's own API under `/api`, and whatever path no other dialect claims. */
export const ollamaDialect: Dialect = { name: 'ollama', speaks: () => true, route, read, refusal, meter, redact };
