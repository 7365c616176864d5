/** The words of Go's JSON reader, which is what Ollama's clients are used to. */
import { type Expected, typeOf, type Wording } from '../fields.js';

const goTypes: Readonly<Record<Expected, string>> = {
  string: 'string',
  boolean: 'bool',
  integer: 'int',
  array: '[]interface {}',
  object: 'map[string]interface {}',
  'string or array': 'string',
  'string or number': 'api.Duration',
};

export function goWording(structName: string): Wording {
  return (path, expected, found) => {
    const type = typeOf(found);
    const word = type === 'boolean' ? 'bool' : type === 'number' && expected === 'integer' ? `number ${found}` : type;
    const field = path.replace(/\[\d+\]/g, '');
    return `json: cannot unmarshal ${word} into Go struct field ${structName}.${field} of type ${goTypes[expected]}`;
  };
}
