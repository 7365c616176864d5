/** Reads the body of `/v1/messages`. */
import type { GuardRules, JsonObject, Reading, Refusal, Route } from '@headgate/core';
import { capNames, capPerChoice, declaredCap, withCap } from '../caps.js';
import { type Expected, Fields, Problems, type Wording } from '../fields.js';
import { fieldNames } from '../keys.js';
import { modelRequired, readModel } from '../model-field.js';
import { Prompt } from '../prompt.js';
import { readingOf } from '../reading.js';
import { readRenderOnly, renderOnly } from '../rendering.js';
import { refuseWebSearch } from '../web-search.js';

const bodyNames = fieldNames(
  ...['model', 'messages', 'system', 'stream', 'temperature', 'top_p', 'top_k', 'stop_sequences', 'tools', 'thinking'],
  ...['output_config', 'tool_choice', 'metadata', renderOnly, capNames],
);
const messageNames = fieldNames('role', 'content');
const blockNames = fieldNames(
  ...[
    'type',
    'text',
    'source',
    'id',
    'name',
    'input',
    'tool_use_id',
    'content',
    'thinking',
    'signature',
    'data',
    'is_error',
  ],
);
const thinkingNames = fieldNames('type', 'budget_tokens');

const expectedWords: Readonly<Record<Expected, string>> = {
  string: 'a valid string',
  boolean: 'a valid boolean',
  integer: 'a valid integer',
  array: 'a valid list',
  object: 'a valid dictionary',
  'string or array': 'a valid string or list',
  'string or number': 'a valid string or number',
};

const wording: Wording = (path, expected) =>
  `${path.replace(/\[(\d+)\]/g, '.$1')}: Input should be ${expectedWords[expected]}`;

export function read(route: Route, body: JsonObject, guard: GuardRules): Reading | Refusal {
  const problems = new Problems(wording);
  const fields = new Fields(body, bodyNames, problems);
  const named = readModel(fields, guard, modelRequired);
  const prompt = new Prompt();
  readBlocks(fields, 'system', prompt);
  const messages = fields.list('messages', messageNames) ?? [];
  prompt.messages = messages.length;
  if (messages.length === 0) problems.bad('messages is required');
  for (const message of messages) {
    const before = prompt.texts.length;
    const role = message.string('role');
    readBlocks(message, 'content', prompt);
    prompt.said(role, before);
  }
  prompt.json(fields.array('tools'));
  refuseWebSearch(fields, guard);
  fields.fields('thinking', thinkingNames)?.integer('budget_tokens');
  const required = fields.integer('max_tokens');
  if (required === undefined || required <= 0) problems.bad('max_tokens is required and must be positive');
  const declared = declaredCap(fields);
  const rendersOnly = readRenderOnly(fields, guard);
  const stream = fields.boolean('stream') ?? false;
  if (problems.first !== undefined) return problems.first;
  const forward: Reading['forward'] = (outputTokensMax) =>
    JSON.stringify(withCap(body, 'max_tokens', capPerChoice(declared, outputTokensMax, 1)));
  const reading = readingOf(route, named, prompt, forward);
  if (rendersOnly) reading.operation = 'admin';
  reading.stream = stream;
  if (declared !== undefined) reading.outputTokensMax = declared;
  return reading;
}

/** A string, or blocks of several kinds. */
function readBlocks(fields: Fields, key: string, prompt: Prompt): void {
  const value = fields.value(key);
  if (value === undefined) return;
  if (typeof value === 'string') prompt.text(value);
  else if (!Array.isArray(value)) fields.wrong(key, 'string or array', value);
  else {
    value.forEach((block, index) => {
      const read = fields.element(key, index, block, blockNames);
      if (read !== undefined) readBlock(read, prompt);
    });
  }
}

function readBlock(block: Fields, prompt: Prompt): void {
  switch (block.string('type')) {
    case 'text':
      prompt.text(block.string('text'));
      break;
    case 'thinking':
      prompt.text(block.string('thinking'));
      break;
    case 'tool_use':
      prompt.text(block.string('name'));
      prompt.json(block.value('input'));
      break;
    case 'tool_result':
      prompt.toolResult();
      readBlocks(block, 'content', prompt);
      break;
    case 'image':
      prompt.images += 1;
      break;
    case 'document':
      readDocument(block, prompt);
      break;
    default:
      // A kind of block that is not known here is counted whole: nothing reaches a prompt for free.
      prompt.json(block.object);
  }
}

const sourceNames = fieldNames('type', 'media_type', 'data', 'url', 'content');

function readDocument(block: Fields, prompt: Prompt): void {
  const source = block.fields('source', sourceNames);
  if (source?.string('type') === 'text') prompt.text(source.string('data'));
  else if (source?.string('type') === 'content') readBlocks(source, 'content', prompt);
  else prompt.images += 1;
}
