/** Bytes put together, taken apart and read as text. */
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encode(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of whole events; a sequence that is not UTF-8 reads as U+FFFD, the bytes themselves pass untouched. */
export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** One array for all; the same array when there is only one, undefined when there are no bytes. */
export function concat(parts: readonly Uint8Array[]): Uint8Array | undefined {
  if (parts.length <= 1) return parts[0]?.length ? parts[0] : undefined;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.length === 0 ? undefined : all;
}
