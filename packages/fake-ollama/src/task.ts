import type { ToolDefinition } from './answer.js';

/** A request for text, whatever dialect it came in. */
export interface Task {
  /** The name as sent: answers and error texts echo it. */
  model: string;
  kind: 'generate' | 'chat';
  /** The whole prompt as rendered for the model. */
  prompt: string;
  promptTokens: number;
  /** The part that may mention a tool: the last message, unless it is a tool's result. */
  question: string;
  /** No prompt at all: only load the model, or unload it when `keepAliveMs` is 0. */
  empty: boolean;
  stream: boolean;
  options: Record<string, unknown>;
  keepAliveMs: number | undefined;
  think: boolean | undefined;
  /** A thinking request to a model that cannot think is served without thinking, not refused. */
  thinkRelaxed: boolean;
  tools: readonly ToolDefinition[];
  format: unknown;
  suffix: boolean;
  truncate: boolean;
  shift: boolean;
}

export interface PromptPart {
  role: string;
  text: string;
  images?: number;
}

/**
 * The counting rule of the fake: a quarter of the characters (UTF-16 units) of all texts together, rounded up,
 * plus 4 a message, plus 768 an image. The texts of tool declarations count as characters.
 */
export function countPromptTokens(parts: readonly PromptPart[], extraText = ''): number {
  let chars = extraText.length;
  let images = 0;
  for (const part of parts) {
    chars += part.text.length;
    images += part.images ?? 0;
  }
  return Math.ceil(chars / 4) + 4 * parts.length + 768 * images;
}

/** What a task says of its prompt. `extraText` is counted and not rendered, such as the declarations of tools. */
export function promptOf(
  parts: readonly PromptPart[],
  extraText?: string,
): Pick<Task, 'prompt' | 'promptTokens' | 'question'> {
  return {
    prompt: renderPrompt(parts),
    promptTokens: countPromptTokens(parts, extraText),
    question: questionOf(parts),
  };
}

/** Ends where the answer would begin, so that a conversation continued later shares this prefix. */
export function renderPrompt(parts: readonly PromptPart[]): string {
  return `${parts.map((part) => `${part.role}: ${part.text}\n`).join('')}assistant: `;
}

/** The text in which the word "tool" triggers a tool call. A tool's result never does, or an agent would never end. */
function questionOf(parts: readonly PromptPart[]): string {
  const last = parts.at(-1);
  return last === undefined || last.role === 'tool' ? '' : last.text;
}
