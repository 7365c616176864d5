import { describe, expect, test } from 'vitest';
import { ask, smallest } from './asking.js';

describe.each(['/v1/responses', '/v1/messages'])('%s: the search that Ollama makes by itself', (path) => {
  const withTool = (tool: object) => ({ ...smallest[path], tools: [{ type: 'function', name: 'f' }, tool] });

  test.each(['web_search', 'web_search_preview', 'web_search_20250305'])('%s is for clouds only', (type) => {
    const tool = { type, name: 'web_search' };
    expect(ask(path, withTool(tool))).toMatchObject({ reason: 'forbidden', status: 403 });
    expect(ask(path, withTool(tool), { cloud: 'allow' })).not.toHaveProperty('reason');
  });

  test('does not hide behind a look-alike of `type`', () => {
    expect(ask(path, withTool({ Type: 'web_search', name: 'web_search' }))).toMatchObject({ status: 400 });
  });

  test('a function of that name is the business of the client', () => {
    expect(ask(path, withTool({ type: 'function', name: 'web_search' }))).not.toHaveProperty('reason');
    expect(ask(path, withTool({ name: 'web_search', input_schema: {} }))).not.toHaveProperty('reason');
  });
});
