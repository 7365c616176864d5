/** Headgate for Fastify 5. */
export type { Headgate } from '@headgate/core/http';
export type { AdapterOptions, OllamaLimiterOptions } from './ollama-limiter.js';
export { ollamaLimiter } from './ollama-limiter.js';
