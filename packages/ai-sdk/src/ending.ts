import type { LanguageModelV3StreamPart } from '@ai-sdk/provider';

/** A stream that was cut when its budget ended still ends as the SDK expects: what is open is closed, and the reason is the length. */
export function endingWell(): TransformStream<LanguageModelV3StreamPart, LanguageModelV3StreamPart> {
  const open = new Map<string, 'text-end' | 'reasoning-end' | 'tool-input-end'>();
  let isOver = false;
  return new TransformStream({
    transform(part, controller) {
      if (part.type === 'text-start') open.set(part.id, 'text-end');
      else if (part.type === 'reasoning-start') open.set(part.id, 'reasoning-end');
      else if (part.type === 'tool-input-start') open.set(part.id, 'tool-input-end');
      else if (part.type === 'text-end' || part.type === 'reasoning-end' || part.type === 'tool-input-end')
        open.delete(part.id);
      else if (part.type === 'finish' || part.type === 'error') isOver = true;
      controller.enqueue(part);
    },
    flush(controller) {
      if (isOver) return;
      for (const [id, type] of open) controller.enqueue({ type, id });
      const none = { total: undefined };
      controller.enqueue({
        type: 'finish',
        finishReason: { unified: 'length', raw: 'the token budget was spent' },
        usage: {
          inputTokens: { ...none, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
          outputTokens: { ...none, text: undefined, reasoning: undefined },
        },
      });
    },
  });
}
