/** Headgate for Express 4 and 5. */
export type { Headgate } from '@headgate/core/http';
export type { AdapterOptions, OllamaLimiter, OllamaLimiterOptions } from './ollama-limiter.js';
export { ollamaLimiter } from './ollama-limiter.js';
