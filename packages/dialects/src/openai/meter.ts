/** Picks the meter for an answer of the OpenAI dialect. */
import type { AnswerHead, AnswerMeter, JsonObject, Reading, Route } from '@headgate/core';
import { sizeTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { type JsonFormat, JsonMeter, lastUsage } from '../json-meter.js';
import { answerKind, passMeter } from '../pass-meter.js';
import { StreamMeter } from '../stream-meter.js';
import { ChunkFormat, choiceTexts } from './chunk-format.js';
import { ResponsesFormat } from './responses-format.js';
import { chatUsage, responsesUsage } from './usage.js';

export function meter(route: Route, head: AnswerHead, reading: Reading | undefined): AnswerMeter {
  const kind = answerKind(head.status, head.contentType);
  if (kind === 'error' || reading === undefined) return passMeter();
  if (kind === 'sse') {
    if (route.kind === 'responses') return new StreamMeter(new ResponsesFormat(reading.model));
    const isChat = route.kind === 'chat';
    return new StreamMeter(new ChunkFormat({ isChat, model: reading.model, wantsUsage: reading.wantsUsage === true }));
  }
  if (route.kind === 'responses') return new JsonMeter(responsesAnswer);
  return new JsonMeter(route.operation === 'embed' ? embeddingAnswer : chatAnswer);
}

const chatAnswer: JsonFormat = {
  isText: true,
  read(answer) {
    const length = choiceTexts(answer, 'message').reduce((sum, text) => sum + text.length, 0);
    return { usage: chatUsage(answer.usage), outputTokens: sizeTokens(length), complete: answer.error === undefined };
  },
  readTail: (tail) => chatUsage(lastUsage(tail)),
};

const embeddingAnswer: JsonFormat = {
  isText: false,
  read: (answer) => ({ usage: chatUsage(answer.usage), outputTokens: 0, complete: answer.error === undefined }),
  readTail: (tail) => chatUsage(lastUsage(tail)),
};

const responsesAnswer: JsonFormat = {
  isText: true,
  read(answer) {
    const outputTokens = sizeTokens(outputTexts(answer).reduce((sum, text) => sum + text.length, 0));
    // `error` is null in an answer that has none.
    return { usage: responsesUsage(answer.usage), outputTokens, complete: !isObject(answer.error) };
  },
  readTail: (tail) => responsesUsage(lastUsage(tail)),
};

/** The texts of a response's items: what was said, thought and called. */
function outputTexts(answer: JsonObject): string[] {
  const items = Array.isArray(answer.output) ? answer.output.filter(isObject) : [];
  return items.flatMap((item) => {
    const parts = [item.content, item.summary].flatMap((list) => (Array.isArray(list) ? list.filter(isObject) : []));
    return [...parts.map((part) => part.text), item.arguments].filter((text) => typeof text === 'string');
  });
}
