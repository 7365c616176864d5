/** The one tool that Ollama uses by itself. */
import type { GuardRules } from '@headgate/core';
import type { Fields } from './fields.js';
import { fieldNames } from './keys.js';

const toolNames = fieldNames('type', 'name');

/** Each use of it is a search on the account of the backend's host, and one more answer that no limit has seen. */
export function refuseWebSearch(fields: Fields, { cloud }: GuardRules): void {
  const tools = fields.list('tools', toolNames) ?? [];
  if (cloud === 'allow' || !tools.some((tool) => tool.string('type')?.startsWith('web_search'))) return;
  const message = "the tool 'web_search' is not allowed here: it searches with a cloud account, not on this server";
  fields.problems.refuse({ reason: 'forbidden', status: 403, message });
}
