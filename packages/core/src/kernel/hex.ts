/** Every byte in hex, made once: to write a number in hex costs more than to look it up. */
const bytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** @param byte from 0 to 255 */
export function hexByte(byte: number): string {
  return bytes[byte]!;
}

/** Bytes in lower-case hex. */
export function hexOf(buffer: ArrayBuffer): string {
  let hex = '';
  for (const byte of new Uint8Array(buffer)) hex += hexByte(byte);
  return hex;
}
