/** The wire formats of Ollama, OpenAI and Anthropic, as dialects of Headgate. */
import type { Dialect } from '@headgate/core';
import { anthropicDialect } from './anthropic/dialect.js';
import { ollamaDialect } from './ollama/dialect.js';
import { openaiDialect } from './openai/dialect.js';

export { anthropicDialect, ollamaDialect, openaiDialect };

/** In the order to ask them: the narrowest paths first; the last answers for every path. */
export const defaultDialects: readonly Dialect[] = [anthropicDialect, openaiDialect, ollamaDialect];
