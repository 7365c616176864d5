export type { ToolDefinition } from './answer.js';
export type { Faults } from './faults.js';
export type { Capability, FakeModel } from './models.js';
export type { FakeOllamaOptions } from './options.js';
export type { SeenRequest, Stats } from './record.js';
export { type FakeOllama, startFakeOllama } from './server.js';
export { countPromptTokens, type PromptPart } from './task.js';
