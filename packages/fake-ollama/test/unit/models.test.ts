import { expect, test } from 'vitest';
import { cloudBaseName, isCloudName, longName, ModelCatalog, normalName } from '../../src/models.js';

test('many spellings name one model', () => {
  for (const spelling of [
    'llama3.2',
    'Llama3.2',
    ' llama3.2 ',
    'llama3.2:latest',
    'library/llama3.2',
    'registry.ollama.ai/library/llama3.2:latest',
    'any://registry.ollama.ai/library/llama3.2',
    'llama3.2:local',
  ]) {
    expect(normalName(spelling)).toBe('llama3.2:latest');
  }
  expect(normalName('team/Mine:V1')).toBe('team/mine:v1');
  expect(normalName('host:5000/team/mine')).toBe('host:5000/team/mine:latest');
});

test.each(['', ' ', 'a b', 'a:b:c/', '../x', ':tag'])('%j is no name', (name) => {
  expect(normalName(name)).toBeUndefined();
});

test('the cloud is known by the tag alone', () => {
  expect(['x:cloud', 'x:CLOUD', 'gpt-oss:20b-cloud', ' a/x:120b-Cloud '].every(isCloudName)).toBe(true);
  expect(['x', 'cloud', 'x-cloud', 'cloud:latest', 'x:cloudy'].some(isCloudName)).toBe(false);
  expect([cloudBaseName('gpt-oss:20b-cloud'), cloudBaseName('x:cloud')]).toEqual(['gpt-oss:20b', 'x']);
});

test('names in errors are spelled in full', () => {
  expect(longName('gemma:latest')).toBe('registry.ollama.ai/library/gemma:latest');
  expect(longName('team/mine:v1')).toBe('registry.ollama.ai/team/mine:v1');
});

test('what is not said about a model is guessed from its name', () => {
  const catalog = new ModelCatalog(['qwen3:8b', 'nomic-embed-text', { name: 'mine', capabilities: ['completion'] }]);
  expect(catalog.find('QWEN3:8B')).toMatchObject({
    parameterSize: '8.0B',
    capabilities: expect.arrayContaining(['thinking']),
  });
  expect(catalog.find('nomic-embed-text')?.capabilities).toEqual(['embedding']);
  expect(catalog.find('mine')?.capabilities).toEqual(['completion']);
});
