import type { LanguageModelV3CallOptions } from '@ai-sdk/provider';

/** All text of a call that becomes prompt tokens. What is no text, such as a file, counts as nothing. */
export function promptTexts({ prompt, tools = [] }: LanguageModelV3CallOptions): readonly string[] {
  const texts: string[] = [];
  for (const { content } of prompt) {
    if (typeof content === 'string') texts.push(content);
    else for (const part of content) texts.push(...textOf(part));
  }
  if (tools.length > 0) texts.push(JSON.stringify(tools));
  return texts;
}

function textOf(part: object & { readonly type: string }): string[] {
  if ('text' in part && typeof part.text === 'string') return [part.text];
  if (part.type === 'tool-call' && 'input' in part) return [JSON.stringify(part.input) ?? ''];
  if (part.type === 'tool-result' && 'output' in part) return [JSON.stringify(part.output) ?? ''];
  return [];
}
