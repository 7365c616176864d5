/** Content of messages and items: a string, or parts of several kinds. */
import type { Fields } from '../fields.js';
import { type FieldNames, fieldNames } from '../keys.js';
import type { Prompt } from '../prompt.js';

const partNames = fieldNames(
  ...['type', 'text', 'refusal', 'image_url', 'input_audio', 'file', 'video_url', 'file_data', 'detail', 'thinking'],
);
/** Kinds of part that are shown to the model, not read to it. */
const media = new Set(['image_url', 'input_image', 'input_audio', 'audio', 'video_url', 'file', 'input_file', 'image']);

export function readContent(fields: Fields, key: string, prompt: Prompt): void {
  const value = fields.value(key);
  if (value === undefined) return;
  if (typeof value === 'string') prompt.text(value);
  else if (!Array.isArray(value)) fields.wrong(key, 'string or array', value);
  else {
    value.forEach((part, index) => {
      if (typeof part === 'string') prompt.text(part);
      else readPart(fields.element(key, index, part, partNames), prompt);
    });
  }
}

function readPart(part: Fields | undefined, prompt: Prompt): void {
  if (part === undefined) return;
  const type = part.string('type');
  if (type !== undefined && media.has(type)) {
    prompt.images += 1;
    return;
  }
  const texts = ['text', 'refusal', 'thinking'].map((key) => part.string(key));
  for (const text of texts) prompt.text(text);
  // A kind of part that is not known here is counted whole: nothing reaches a prompt for free.
  if (texts.every((text) => text === undefined)) prompt.json(part.object);
}

const callNames = fieldNames('id', 'index', 'type', 'function', 'custom');

export const messageNames: FieldNames = fieldNames(
  ...['role', 'content', 'name', 'refusal', 'reasoning', 'reasoning_content', 'tool_calls', 'tool_call_id'],
  ...['function_call', 'audio'],
);

export function readMessage(message: Fields, prompt: Prompt): void {
  prompt.messages += 1;
  const before = prompt.texts.length;
  const role = message.string('role')?.toLowerCase();
  if (role === 'tool' || role === 'function') prompt.toolResult();
  readContent(message, 'content', prompt);
  for (const key of ['name', 'refusal', 'reasoning', 'reasoning_content']) prompt.text(message.string(key));
  message.string('tool_call_id');
  prompt.json(message.value('function_call'));
  for (const call of message.list('tool_calls', callNames) ?? []) {
    prompt.json(call.value('function'));
    prompt.json(call.value('custom'));
  }
  prompt.said(role, before);
}
