/** `headgate key`: a new API key. Only its digest has to be written down. */
import { createHash, randomBytes } from 'node:crypto';
import { UsageError } from './usage.js';

const word = /^[\w.@-]{1,64}$/;

export function key({
  id = 'new-key',
  tier,
}: {
  readonly id?: string | undefined;
  readonly tier?: string | undefined;
}): void {
  for (const [flag, value] of Object.entries({ id, tier })) {
    if (value !== undefined && !word.test(value)) {
      throw new UsageError(`--${flag} must be a word of letters, digits and . _ - @, not "${value}"`);
    }
  }
  const secret = `hg-${randomBytes(24).toString('base64url')}`;
  const digest = createHash('sha256').update(secret).digest('hex');
  const settings = tier === undefined ? `{ id: ${id} }` : `{ id: ${id}, tier: ${tier} }`;
  console.log(`${secret}

Give this key to its user; it is not kept anywhere. In the policy, under identity, it is the line

  - apiKey:
      keys:
        sha256:${digest}: ${settings}`);
}
