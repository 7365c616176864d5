import type { Dialect } from '@headgate/core';
import { withoutSignIn } from '../redact.js';
import { meter } from './meter.js';
import { read } from './read.js';
import { refusal } from './refusal.js';
import { route, speaks } from './route.js';

/** The Anthropic API at `/v1/messages`. */
export const anthropicDialect: Dialect = {
  name: 'anthropic',
  speaks,
  route,
  read,
  refusal,
  meter,
  redact: (_route, body) => withoutSignIn(body),
};
