/**
 * SHA-256 (FIPS 180-4) of a short text, at once. Web Crypto has it too, but only behind a promise and, in Node, a trip to another
 * thread: for the few bytes of a key that costs some fifty times the digest itself.
 */

/** The first 32 bits of the fractions of the cube roots of the first 64 primes. */
const rounds = Uint32Array.of(
  ...[0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
  ...[0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
  ...[0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
  ...[0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
  ...[0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
  ...[0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
  ...[0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
  ...[0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
);
/** Of the square roots of the first eight. */
const start = Uint32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);

const blockBytes = 64;
const encoder = new TextEncoder();
/** What is digested now; nothing is awaited meanwhile, so one is enough. */
let bytes = new Uint8Array(512);
let view = new DataView(bytes.buffer);
const words = new Int32Array(64);
const state = new Int32Array(8);

/** In lower-case hex. */
export function sha256Hex(text: string): string {
  // UTF-8 takes three bytes of a UTF-16 unit at most; nine are for what is put behind the text.
  if (text.length * 3 + 9 + blockBytes > bytes.length) {
    bytes = new Uint8Array(text.length * 4 + 9 + blockBytes);
    view = new DataView(bytes.buffer);
  }
  const end = padded(encoder.encodeInto(text, bytes).written);
  state.set(start);
  for (let at = 0; at < end; at += blockBytes) digestBlock(at);
  let hex = '';
  for (const word of state) hex += (word >>> 0).toString(16).padStart(8, '0');
  return hex;
}

/** A one bit, zeros, and the length in bits, to whole blocks; returns where they end. */
function padded(length: number): number {
  const end = Math.ceil((length + 9) / blockBytes) * blockBytes;
  bytes.fill(0, length, end);
  bytes[length] = 0x80;
  view.setUint32(end - 8, Math.floor(length / 2 ** 29));
  view.setUint32(end - 4, length << 3);
  return end;
}

/** With the names of the standard: a to h are the working variables, W the message schedule. */
function digestBlock(at: number): void {
  const W = words;
  for (let i = 0; i < 16; i++) W[i] = view.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const w2 = W[i - 2]!;
    const w15 = W[i - 15]!;
    const s0 = rotated(w15, 7) ^ rotated(w15, 18) ^ (w15 >>> 3);
    const s1 = rotated(w2, 17) ^ rotated(w2, 19) ^ (w2 >>> 10);
    W[i] = (W[i - 16]! + s0 + W[i - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const S1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const t1 = (h + S1 + ((e & f) ^ (~e & g)) + rounds[i]! + W[i]!) | 0;
    const S0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const t2 = (S0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}

function rotated(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
