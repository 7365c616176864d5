import type { ToolDefinition } from '../answer.js';
import { ApiError } from '../api-error.js';
import type { BoundFields, Fields } from '../fields.js';
import { goDurationMs } from '../go-json.js';
import { type PromptPart, promptOf, type Task } from '../task.js';

const COMMON = {
  model: 'string',
  stream: 'bool',
  think: 'any',
  format: 'any',
  keep_alive: 'any',
  truncate: 'bool',
  shift: 'bool',
  options: 'map',
  logprobs: 'bool',
  top_logprobs: 'int',
} as const satisfies Fields;

export const GENERATE_FIELDS = {
  ...COMMON,
  prompt: 'string',
  suffix: 'string',
  system: 'string',
  template: 'string',
  raw: 'bool',
  context: ['int'],
  images: ['string'],
} as const satisfies Fields;

export const CHAT_FIELDS = {
  ...COMMON,
  messages: [
    {
      role: 'string',
      content: 'string',
      thinking: 'string',
      images: ['string'],
      tool_calls: 'any',
      tool_name: 'string',
      tool_call_id: 'string',
    },
  ],
  tools: 'any',
} as const satisfies Fields;

type Common = Pick<BoundFields<typeof GENERATE_FIELDS>, keyof typeof COMMON>;

function commonTask(request: Common, kind: Task['kind'], parts: PromptPart[], extraText: string) {
  return {
    model: request.model ?? '',
    kind,
    ...promptOf(parts, extraText),
    stream: request.stream ?? true,
    options: checkedOptions(request.options ?? {}),
    keepAliveMs: keepAliveMs(request.keep_alive),
    think: thinkWish(request.think),
    thinkRelaxed: false,
    format: request.format,
    truncate: request.truncate ?? true,
    shift: request.shift ?? true,
  };
}

export function generateTask(request: BoundFields<typeof GENERATE_FIELDS>): Task {
  const parts: PromptPart[] = [{ role: 'user', text: request.prompt ?? '', images: request.images?.length ?? 0 }];
  const task = commonTask(request, 'generate', parts, (request.system ?? '') + (request.suffix ?? ''));
  return {
    ...task,
    promptTokens: task.promptTokens + (request.context?.length ?? 0),
    empty: (request.prompt ?? '') === '',
    tools: [],
    suffix: (request.suffix ?? '') !== '',
  };
}

export function chatTask(request: BoundFields<typeof CHAT_FIELDS>): Task {
  const parts = (request.messages ?? []).map((message) => ({
    role: (message.role ?? '').toLowerCase(),
    text: (message.content ?? '') + (message.thinking ?? '') + textOf(message.tool_calls),
    images: message.images?.length ?? 0,
  }));
  const tools = toolsFrom(request.tools);
  return {
    ...commonTask(request, 'chat', parts, textOf(request.tools)),
    empty: parts.length === 0,
    tools,
    suffix: false,
  };
}

export function toolsFrom(tools: unknown): ToolDefinition[] {
  return Array.isArray(tools) ? tools.filter((tool) => typeof tool === 'object' && tool !== null) : [];
}

export function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/** Numbers are seconds, texts are Go durations, negative means for ever. */
export function keepAliveMs(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value < 0 ? Number.POSITIVE_INFINITY : value * 1000;
  if (typeof value !== 'string') throw new ApiError(400, `Unsupported type: '${typeof value}'`);
  const ms = goDurationMs(value);
  if (ms instanceof Error) throw new ApiError(400, ms.message);
  return ms < 0 ? Number.POSITIVE_INFINITY : ms;
}

function thinkWish(value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string' && ['low', 'medium', 'high', 'max'].includes(value)) return true;
  throw new ApiError(
    400,
    `invalid think value: ${JSON.stringify(value)} (must be "high", "medium", "low", "max", true, or false)`,
  );
}

const INTEGER_OPTIONS = [
  'num_predict',
  'num_ctx',
  'num_batch',
  'num_gpu',
  'main_gpu',
  'num_thread',
  'seed',
  'top_k',
  'num_keep',
];

/** Names of options are case-sensitive and unknown ones ignored; a known one of the wrong type is refused. */
function checkedOptions(options: Record<string, unknown>): Record<string, unknown> {
  for (const name of INTEGER_OPTIONS) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'number') throw new ApiError(400, `option "${name}" must be of type integer`);
    options[name] = Math.trunc(value);
  }
  return options;
}
