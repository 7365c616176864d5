/** Headgate for the AI SDK. */
export type { HeadgateMiddlewareOptions } from './middleware.js';
export { headgateMiddleware } from './middleware.js';
