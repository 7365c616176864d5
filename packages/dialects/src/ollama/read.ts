/** Reads the bodies of Ollama's own API. */
import type { GuardRules, JsonObject, Reading, Refusal, Route } from '@headgate/core';
import { capNames, capPerChoice, declaredCap, lowerCaps, withCap } from '../caps.js';
import { copyOf, Fields, Problems } from '../fields.js';
import { readInputs, readTokens } from '../inputs.js';
import { fieldNames } from '../keys.js';
import { modelRequired, type NamedModel, readModel } from '../model-field.js';
import { Prompt } from '../prompt.js';
import { readingOf } from '../reading.js';
import { readRenderOnly, renderOnly } from '../rendering.js';
import { guardedOptions, guardShift, optionNames, readKeepAlive } from './options.js';
import { goWording } from './wording.js';

const common = fieldNames('model', 'keep_alive', 'options', 'truncate', capNames);
const answering = fieldNames(common, 'stream', 'format', 'think', 'shift', 'logprobs', 'top_logprobs', renderOnly);
const generateNames = fieldNames(answering, 'prompt', 'suffix', 'system', 'template', 'context', 'raw', 'images');
const chatNames = fieldNames(answering, 'messages', 'tools');
const embedNames = fieldNames(common, 'input', 'dimensions', 'prompt');
const messageNames = fieldNames('role', 'content', 'thinking', 'images', 'tool_calls', 'tool_name', 'tool_call_id');
const callNames = fieldNames('id', 'type', 'function');
const showNames = fieldNames('model', 'name', 'verbose', 'system', 'template', 'options');
const adminNames = fieldNames('model', 'name', 'source', 'destination', 'from', 'stream', 'insecure');

const structNames: Readonly<Record<string, string>> = {
  generate: 'GenerateRequest',
  chat: 'ChatRequest',
  embed: 'EmbedRequest',
  embeddings: 'EmbeddingRequest',
  show: 'ShowRequest',
};

export function read(route: Route, body: JsonObject, guard: GuardRules): Reading | Refusal {
  const problems = new Problems(goWording(structNames[route.kind] ?? 'Request'));
  const reading = readKind(route, body, guard, problems);
  return problems.first ?? reading;
}

function readKind(route: Route, body: JsonObject, guard: GuardRules, problems: Problems): Reading {
  switch (route.kind) {
    case 'generate':
      return readGenerate(route, new Fields(body, generateNames, problems), guard);
    case 'chat':
      return readChat(route, new Fields(body, chatNames, problems), guard);
    case 'embed':
    case 'embeddings':
      return readEmbed(route, new Fields(body, embedNames, problems), guard);
    case 'show':
      return readShow(route, new Fields(body, showNames, problems), guard);
    default:
      return readAdmin(route, new Fields(body, adminNames, problems), guard);
  }
}

function readGenerate(route: Route, fields: Fields, guard: GuardRules): Reading {
  const named = readModel(fields, guard, emptyModelNotFound);
  const prompt = new Prompt();
  const text = fields.string('prompt');
  const system = fields.string('system');
  for (const part of [text, fields.string('suffix'), system, fields.string('template')]) prompt.text(part);
  prompt.inputTokensKnown = readTokens(fields, 'context');
  prompt.images = fields.strings('images')?.length ?? 0;
  // The template makes messages of them, unless the prompt is to be taken as it is.
  if (fields.boolean('raw') !== true) prompt.messages = system === undefined || system === '' ? 1 : 2;
  return readAnswer(route, fields, guard, named, prompt, text === undefined || text === '');
}

function readChat(route: Route, fields: Fields, guard: GuardRules): Reading {
  const named = readModel(fields, guard, modelRequired);
  const prompt = new Prompt();
  const messages = fields.list('messages', messageNames) ?? [];
  prompt.messages = messages.length;
  for (const message of messages) {
    const before = prompt.texts.length;
    const role = message.string('role')?.toLowerCase();
    for (const part of ['content', 'thinking', 'tool_name']) prompt.text(message.string(part));
    prompt.images += message.strings('images')?.length ?? 0;
    if (role === 'tool') prompt.toolResult();
    message.string('tool_call_id');
    for (const call of message.list('tool_calls', callNames) ?? []) prompt.json(call.value('function'));
    prompt.said(role, before);
  }
  prompt.json(fields.array('tools'));
  return readAnswer(route, fields, guard, named, prompt, messages.length === 0);
}

function readEmbed(route: Route, fields: Fields, guard: GuardRules): Reading {
  const legacy = route.kind === 'embeddings';
  const named = readModel(fields, guard, legacy ? modelRequired : emptyModelNotFound);
  const prompt = new Prompt();
  const text = legacy ? fields.string('prompt') : undefined;
  prompt.text(text);
  const inputs = legacy
    ? Number(text !== undefined && text !== '')
    : readInputs(fields, 'input', guard, prompt, 'refuse');
  return readAnswer(route, fields, guard, named, prompt, inputs === 0);
}

const writtenLast = fieldNames('keep_alive');

/** @param empty nothing to work on: the backend would only load or unload the model */
function readAnswer(
  route: Route,
  fields: Fields,
  guard: GuardRules,
  named: NamedModel,
  prompt: Prompt,
  empty: boolean,
): Reading {
  const answers = route.operation !== 'embed';
  const client = fields.fields('options', optionNames);
  const options = guardedOptions(client?.object, guard);
  const pinned = new Fields(options, optionNames, fields.problems, 'options.');
  const declared = answers ? declaredCap(pinned, fields) : undefined;
  const keepAlive = readKeepAlive(fields, guard);
  const rendersOnly = answers && readRenderOnly(fields, guard);
  const stream = fields.boolean('stream') ?? true;
  fields.boolean('truncate');
  fields.boolean('shift');
  const forward: Reading['forward'] = (outputTokensMax) => {
    const cap = answers ? capPerChoice(declared, outputTokensMax, 1) : undefined;
    const body = copyOf(fields.object, writtenLast);
    // At the top caps are another server's words: lowered all the same, never added.
    if (answers) lowerCaps(body, cap);
    const written = answers ? withCap(options, 'num_predict', cap) : options;
    if (client !== undefined || Object.keys(written).length > 0) body.options = written;
    if (keepAlive.value !== undefined) body.keep_alive = keepAlive.value;
    if (answers) guardShift(body, guard);
    return JSON.stringify(body);
  };
  const reading = readingOf(route, named, prompt, forward);
  if (empty || keepAlive.admin || rendersOnly) reading.operation = 'admin';
  reading.stream = answers && stream;
  if (declared !== undefined) reading.outputTokensMax = declared;
  return reading;
}

function readShow(route: Route, fields: Fields, guard: GuardRules): Reading {
  const named = readModel(fields, guard, modelRequired, ['model', 'name']);
  fields.boolean('verbose');
  const { verbose: _, ...brief } = fields.object;
  // `verbose` brings tensors and vocabulary: megabytes for what counts as a cheap read.
  const body = guard.admin === 'allow' ? fields.object : brief;
  return readingOf(route, named, new Prompt(), () => JSON.stringify(body));
}

function readAdmin(route: Route, fields: Fields, guard: GuardRules): Reading {
  const named = readModel(fields, guard, modelRequired, ['model', 'name', 'source']);
  const stream = fields.boolean('stream') ?? true;
  const reading = readingOf(route, named, new Prompt(), () => JSON.stringify(fields.object));
  reading.stream = stream;
  return reading;
}

const emptyModelNotFound: Refusal = { reason: 'model-not-found', status: 404, message: "model '' not found" };
