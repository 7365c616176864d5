/** `headgate check FILE`: is this policy one, and what does it say. */
import { limitsTables } from '../config/limits-table.js';
import { readPolicyFile } from '../config/policy-file.js';
import { warningsOf } from './warnings.js';

export async function check([file = '']: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const policy = await readPolicyFile(file, env);
  for (const warning of warningsOf(policy)) console.error(`headgate: warning: ${warning}`);
  console.log(`${limitsTables(policy)}\n\n${file} is a valid policy.`);
}
