import type { Dialect } from '@headgate/core';
import { meter } from './meter.js';
import { read } from './read.js';
import { redact } from './redact.js';
import { refusal } from './refusal.js';
import { route, speaks } from './route.js';

/** The OpenAI API under `/v1`, as Ollama, llama.cpp, vLLM and others serve it. */
export const openaiDialect: Dialect = { name: 'openai', speaks, route, read, refusal, meter, redact };
