// The last step of a build: writes the policy language as a JSON Schema, by which editors complete and check a policy.
import { writeFileSync } from 'node:fs';
import { policyJsonSchema } from '../packages/core/dist/policy/json-schema.js';

const file = new URL('../packages/gateway/dist/policy.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
