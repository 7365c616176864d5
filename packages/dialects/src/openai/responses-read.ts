/** Reads the input of `/v1/responses`: a string, or items that are messages, calls and their results. */
import type { Fields } from '../fields.js';
import { fieldNames } from '../keys.js';
import type { Prompt } from '../prompt.js';
import { readContent } from './content.js';

export const responsesNames = fieldNames('input', 'instructions', 'tools', 'reasoning', 'text', 'tool_choice');
const itemNames = fieldNames(
  ...['type', 'role', 'content', 'id', 'call_id', 'name', 'arguments', 'output', 'summary', 'status', 'input'],
);

export function readResponsesInput(fields: Fields, prompt: Prompt): void {
  prompt.text(fields.string('instructions'));
  prompt.json(fields.array('tools'));
  const input = fields.value('input');
  if (typeof input === 'string') {
    prompt.opening = input;
    prompt.text(input);
    prompt.messages += 1;
  } else if (input !== undefined && !Array.isArray(input)) fields.wrong('input', 'string or array', input);
  else if (input === undefined || input.length === 0) fields.problems.bad("'input' is required and must not be empty");
  else for (const item of fields.list('input', itemNames) ?? []) readItem(item, prompt);
}

function readItem(item: Fields, prompt: Prompt): void {
  prompt.messages += 1;
  const before = prompt.texts.length;
  const type = item.string('type') ?? 'message';
  const role = item.string('role')?.toLowerCase();
  switch (type) {
    case 'message':
      readContent(item, 'content', prompt);
      prompt.said(role, before);
      break;
    case 'function_call':
      prompt.said('assistant', before);
      prompt.text(item.string('name'));
      prompt.text(item.string('arguments'));
      break;
    case 'function_call_output':
    case 'custom_tool_call_output':
      prompt.toolResult();
      readContent(item, 'output', prompt);
      break;
    case 'reasoning':
      readContent(item, 'summary', prompt);
      readContent(item, 'content', prompt);
      break;
    default:
      prompt.json(item.object);
  }
}
