// Puts the Lua files into `src/scripts.ts`: each operation whole, what it includes before it, comments left out.
// Run it after a change of a Lua file; a test tells when it was forgotten.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const lua = fileURLToPath(new URL('../src/lua/', import.meta.url));
const target = fileURLToPath(new URL('../src/scripts.ts', import.meta.url));

/** The lines of a file and of what it includes, in the order of use. */
function linesOf(file) {
  return readFileSync(`${lua}${file}`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name] = /^\s*--@include (\w+)$/.exec(line) ?? [];
      if (name !== undefined) return linesOf(`shared/${name}.lua`);
      return /^\s*(--.*)?$/.test(line) ? [] : [line.replace(/^\s+/, '')];
    });
}

export function inlined() {
  const scripts = readdirSync(lua)
    .filter((file) => file.endsWith('.lua'))
    .sort()
    .map((file) => {
      const source = linesOf(file).join('\n');
      const sha = createHash('sha1').update(source).digest('hex');
      const name = file.replace('.lua', '');
      const text = source.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
      return `export const ${name}: Script = {\n  sha: '${sha}',\n  source:\n    "${text}",\n};\n`;
    });
  return [
    '/** Made by scripts/inline-lua.mjs from the files in lua/. Change those. */',
    '',
    'export interface Script {\n  /** What EVALSHA calls it. */\n  readonly sha: string;\n  readonly source: string;\n}\n',
    scripts.join('\n'),
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, inlined());
