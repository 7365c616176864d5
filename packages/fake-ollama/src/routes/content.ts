import { ApiError } from '../api-error.js';
import type { PromptPart } from '../task.js';
import { textOf } from './native-requests.js';

/** The text and the number of images of a message whose content is a string or a list of typed parts. */
export function contentOf(content: unknown): { text: string; images: number } {
  if (content === undefined || content === null) return { text: '', images: 0 };
  if (typeof content === 'string') return { text: content, images: 0 };
  if (!Array.isArray(content)) throw new ApiError(400, `invalid message content type: ${typeof content}`);
  let text = '';
  let images = 0;
  for (const part of content as Record<string, unknown>[]) {
    const kind = part.type;
    if (kind === 'image_url' || kind === 'input_image') {
      images++;
      requireInlineImage(part.image_url);
    } else if (kind === 'image') images++;
    else if (kind === 'tool_use') text += textOf(part.input);
    else if (kind === 'tool_result') text += contentOf(part.content).text;
    else text += typeof part.text === 'string' ? part.text : '';
  }
  return { text, images };
}

/** Ollama never fetches pictures. */
function requireInlineImage(image: unknown): void {
  const url = typeof image === 'object' && image !== null ? (image as Record<string, unknown>).url : image;
  if (typeof url === 'string' && /^https?:/i.test(url)) {
    throw new ApiError(400, 'image URLs are not currently supported, please use base64 encoded data instead');
  }
  if (typeof url !== 'string' || !url.startsWith('data:')) throw new ApiError(400, 'invalid image input');
}

export function messageParts(messages: unknown): PromptPart[] {
  if (!Array.isArray(messages)) return [];
  return messages.map((message: Record<string, unknown>) => {
    const { text, images } = contentOf(message?.content);
    const role = String(message?.role ?? '').toLowerCase();
    return { role, text: text + textOf(message?.tool_calls), images };
  });
}
