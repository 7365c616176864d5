/**
 * Addresses that no other test has. A port that is given up may be somebody else's a moment later; on an address of its own it
 * is nobody's, so that what listens there may go and come back, and what has gone is certainly not there.
 */
import { randomInt } from 'node:crypto';

/** On Linux all of 127/8 is this machine; elsewhere it may be one address only, and all that is left is luck. */
export function ownAddress(): string {
  if (process.platform !== 'linux') return '127.0.0.1';
  return `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
}
