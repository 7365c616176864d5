import { accountRoutes } from './account.js';
import { adminRoutes } from './admin.js';
import { anthropicRoutes } from './anthropic.js';
import { healthRoutes } from './health.js';
import { nativeRoutes } from './native.js';
import { openaiRoutes } from './openai.js';
import { responsesRoutes } from './responses.js';
import type { Route } from './route.js';
import { transcriptionRoutes } from './transcriptions.js';

/** Everything Ollama serves. */
export const routes: Route[] = [
  ...healthRoutes,
  ...nativeRoutes,
  ...openaiRoutes,
  ...responsesRoutes,
  ...anthropicRoutes,
  ...transcriptionRoutes,
  ...adminRoutes,
  ...accountRoutes,
];
