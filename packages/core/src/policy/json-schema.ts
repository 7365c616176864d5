/** The policy language as a JSON Schema, for editors. The schema of zod is the source; the rest is what it cannot say. */
import { z } from 'zod';
import { policySchema } from './parse.js';

export type JsonSchema = { [key: string]: unknown };

export function policyJsonSchema(): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { io: 'input', reused: 'ref' }) as JsonSchema;
  return {
    $schema,
    title: 'Headgate policy',
    description: 'Limits, tiers, identities, queue and backends of a Headgate limiter or gateway.',
    ...schema,
  };
}
