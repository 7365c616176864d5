/** Which slot of a Cluster a key lives in: CRC16 (XMODEM) of what is between its braces, as the Cluster specification says. */

const slots = 16_384;
const polynomial = 0x1021;

/** @param key one of ours: it has braces, and something between them */
export function slotOf(key: string): number {
  const from = key.indexOf('{') + 1;
  return crc16(Buffer.from(key.slice(from, key.indexOf('}', from)))) % slots;
}

function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ polynomial;
    crc &= 0xffff;
  }
  return crc;
}
