/** Headgate for Koa 2 and 3. */
export type { Headgate } from '@headgate/core/http';
export type { AdapterOptions, HeadgateState, OllamaLimiter, OllamaLimiterOptions } from './ollama-limiter.js';
export { ollamaLimiter } from './ollama-limiter.js';
