/** Picks the meter for an answer of `/v1/messages`. */
import type { AnswerHead, AnswerMeter, JsonObject, Reading, Route } from '@headgate/core';
import { sizeTokens } from '../delta.js';
import { isObject } from '../fields.js';
import { type JsonFormat, JsonMeter, lastUsage } from '../json-meter.js';
import { answerKind, passMeter } from '../pass-meter.js';
import { StreamMeter } from '../stream-meter.js';
import { MessageFormat } from './message-format.js';
import { messageUsage } from './usage.js';

export function meter(_route: Route, head: AnswerHead, reading: Reading | undefined): AnswerMeter {
  const kind = answerKind(head.status, head.contentType);
  if (kind === 'error' || reading === undefined) return passMeter();
  return kind === 'sse' ? new StreamMeter(new MessageFormat(reading.model)) : new JsonMeter(messageAnswer);
}

const messageAnswer: JsonFormat = {
  isText: true,
  read(answer) {
    const length = blockTexts(answer).reduce((sum, text) => sum + text.length, 0);
    return { usage: messageUsage(answer.usage), outputTokens: sizeTokens(length), complete: answer.type !== 'error' };
  },
  readTail: (tail) => messageUsage(lastUsage(tail)),
};

function blockTexts(answer: JsonObject): string[] {
  const blocks = Array.isArray(answer.content) ? answer.content.filter(isObject) : [];
  return blocks.flatMap((block) => {
    const called = block.type === 'tool_use' ? JSON.stringify(block.input ?? {}) : undefined;
    return [block.text, block.thinking, called].filter((text) => typeof text === 'string');
  });
}
