/** Headgate for Hono, on Node and on fetch runtimes. */
export type { Headgate } from '@headgate/core/http';
export type { AdapterOptions, OllamaLimiter, OllamaLimiterOptions } from './ollama-limiter.js';
export { ollamaLimiter } from './ollama-limiter.js';
