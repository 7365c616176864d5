import { expect, test } from 'vitest';
import { z } from 'zod';
import { policySchema } from '../../../src/policy/parse.js';

type Json = { properties?: Record<string, Json>; additionalProperties?: unknown; $defs?: Record<string, Json> };

test('the schema becomes a JSON Schema that knows every key and refuses others', () => {
  const schema = z.toJSONSchema(policySchema, { io: 'input' }) as Json;
  const policy = schema.$defs!.Policy!;
  expect(policy.additionalProperties).toBe(false);
  expect(Object.keys(policy.properties!)).toEqual(
    expect.arrayContaining(['listen', 'identity', 'tiers', 'limits', 'pool', 'guard', 'alerts', 'requests', 'extends']),
  );
  expect(policy.properties).toMatchObject({
    requests: { description: expect.stringContaining('token bucket') },
    limits: { type: 'array', items: { properties: { match: { $ref: '#/$defs/Match' } }, additionalProperties: false } },
    pool: { properties: { pick: { enum: ['least-wait', 'least-busy', 'round-robin', 'random-two'] } } },
  });
  expect(schema.$defs!.Match!.properties!.not).toMatchObject({ $ref: '#/$defs/Match' });
});
