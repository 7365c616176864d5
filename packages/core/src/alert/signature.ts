/**
 * How a receiver knows that an alert is ours and not an old one sent again: `t=<seconds>,v1=<hex>`, where the hex is the
 * HMAC-SHA256 of `<seconds>.<body>` under the secret. The scheme of most signed webhooks.
 */
import { hexOf } from '../kernel/hex.js';

/** @param wall epoch ms */
export async function signatureOf(secret: string, body: string, wall: number): Promise<string> {
  const seconds = Math.floor(wall / 1000);
  const encoder = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', key, encoder.encode(`${seconds}.${body}`));
  return `t=${seconds},v1=${hexOf(signature)}`;
}
