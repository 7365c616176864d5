/** Reads the bodies of the OpenAI dialect. */
import type { GuardRules, JsonObject, Reading, Refusal, Route } from '@headgate/core';
import { capNames, capPerChoice, declaredCap, declaredChoices, withCap } from '../caps.js';
import { Fields, isObject, Problems } from '../fields.js';
import { readInputs } from '../inputs.js';
import { fieldNames } from '../keys.js';
import { modelRequired, type NamedModel, readModel } from '../model-field.js';
import { Prompt } from '../prompt.js';
import { type Draft, readingOf } from '../reading.js';
import { readRenderOnly, renderOnly } from '../rendering.js';
import { refuseWebSearch } from '../web-search.js';
import { messageNames, readMessage } from './content.js';
import { readResponsesInput, responsesNames } from './responses-read.js';
import { openaiWording } from './wording.js';

const choiceNames = fieldNames('n', 'best_of', 'n_cmpl');
const common = fieldNames(
  'model',
  'stream',
  'stream_options',
  'stop',
  'seed',
  'temperature',
  'top_p',
  renderOnly,
  capNames,
  choiceNames,
);
const sampling = fieldNames('frequency_penalty', 'presence_penalty', 'logprobs', 'top_logprobs', 'response_format');
const chatNames = fieldNames(
  ...[
    common,
    sampling,
    'messages',
    'tools',
    'functions',
    'documents',
    'reasoning',
    'reasoning_effort',
    'chat_template',
  ],
);
const completionNames = fieldNames(common, sampling, 'prompt', 'suffix');
const embeddingNames = fieldNames(common, 'input', 'dimensions', 'encoding_format');
const streamOptionNames = fieldNames('include_usage', 'continuous_usage_stats');

export function read(route: Route, body: JsonObject, guard: GuardRules): Reading | Refusal {
  const problems = new Problems(openaiWording);
  const reading = readKind(route, body, guard, problems);
  return problems.first ?? reading;
}

function readKind(route: Route, body: JsonObject, guard: GuardRules, problems: Problems): Reading {
  const prompt = new Prompt();
  switch (route.kind) {
    case 'completions':
      return readCompletion(route, new Fields(body, completionNames, problems), guard, prompt);
    case 'embeddings': {
      const fields = new Fields(body, embeddingNames, problems);
      const named = readModel(fields, guard, modelRequired);
      if (readInputs(fields, 'input', guard, prompt, 'count') === 0)
        problems.bad("'input' is required and must not be empty");
      return readingOf(route, named, prompt, () => JSON.stringify(body));
    }
    case 'responses': {
      const fields = new Fields(body, fieldNames(common, responsesNames), problems);
      const named = readModel(fields, guard, modelRequired);
      readResponsesInput(fields, prompt);
      refuseWebSearch(fields, guard);
      return answerReading(route, fields, guard, named, prompt, { obeyed: 'max_output_tokens', prompts: 1 });
    }
    default: {
      const fields = new Fields(body, chatNames, problems);
      const named = readModel(fields, guard, modelRequired);
      for (const message of fields.list('messages', messageNames) ?? []) readMessage(message, prompt);
      if (prompt.messages === 0) problems.bad("[] is too short - 'messages'");
      for (const key of ['tools', 'functions', 'documents']) prompt.json(fields.array(key));
      prompt.text(fields.string('chat_template'));
      return answerReading(route, fields, guard, named, prompt, { obeyed: 'max_tokens', prompts: 1 });
    }
  }
}

/** An empty prompt makes Ollama load the model and answer nothing, which is a matter of the operator. */
function readCompletion(route: Route, fields: Fields, guard: GuardRules, prompt: Prompt): Reading {
  const named = readModel(fields, guard, modelRequired);
  const prompts = readInputs(fields, 'prompt', guard, prompt, 'count');
  prompt.text(fields.string('suffix'));
  const reading = answerReading(route, fields, guard, named, prompt, {
    obeyed: 'max_tokens',
    prompts: Math.max(1, prompts),
  });
  if (prompts === 0) reading.operation = 'admin';
  return reading;
}

interface Answer {
  /** The cap that the backend obeys. */
  readonly obeyed: string;
  /** Prompts in one request, each of which is answered `n` times. */
  readonly prompts: number;
}

function answerReading(
  route: Route,
  fields: Fields,
  guard: GuardRules,
  named: NamedModel,
  prompt: Prompt,
  answer: Answer,
): Draft {
  const choices = declaredChoices(fields) * answer.prompts;
  const declared = declaredCap(fields);
  const rendersOnly = readRenderOnly(fields, guard);
  const stream = fields.boolean('stream') ?? false;
  // Responses always end with usage.
  const asksForUsage = stream && route.kind !== 'responses';
  const streamOptions = fields.fields('stream_options', streamOptionNames);
  const asked = streamOptions?.boolean('include_usage') === true;
  const continuous = streamOptions?.boolean('continuous_usage_stats') === true;
  const forward: Reading['forward'] = (outputTokensMax) => {
    const body = withCap(fields.object, answer.obeyed, capPerChoice(declared, outputTokensMax, choices));
    if (asksForUsage) {
      const own = body.stream_options;
      body.stream_options = { ...(isObject(own) ? own : {}), include_usage: true };
    }
    return JSON.stringify(body);
  };
  const reading = readingOf(route, named, prompt, forward);
  if (rendersOnly) reading.operation = 'admin';
  reading.stream = stream;
  reading.choices = choices;
  if (declared !== undefined) reading.outputTokensMax = declared * choices;
  if (asksForUsage) reading.wantsUsage = asked || continuous;
  return reading;
}
