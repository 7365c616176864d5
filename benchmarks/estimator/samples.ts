/** Prompts out of the sample texts: each in two halves, one to learn from and one to be judged by. */
import { readdirSync, readFileSync } from 'node:fs';

/** The length of prompts: a line, a paragraph or so, a page. */
const lengths = [200, 600, 1_800];

export interface Sample {
  /** `english`, `json`, ...: the file's name. */
  readonly kind: string;
  readonly text: string;
  readonly halves: readonly [readonly string[], readonly string[]];
}

/** @param folder where the texts are */
export function readSamples(folder: URL): readonly Sample[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8');
      const lines = text.split(/(?<=\n)/);
      const middle = middleOf(lines);
      const halves = [promptsIn(lines.slice(0, middle)), promptsIn(lines.slice(middle))] as const;
      return { kind: file.replace('.txt', ''), text, halves };
    });
}

/** The line at which half of the characters have gone by. */
function middleOf(lines: readonly string[]): number {
  const half = lines.join('').length / 2;
  let length = 0;
  return lines.findIndex((line) => {
    length += line.length;
    return length >= half;
  });
}

function promptsIn(lines: readonly string[]): string[] {
  const prompts = new Set<string>();
  for (const length of lengths) {
    let prompt = '';
    for (const line of lines) {
      prompt += line;
      if (prompt.length < length) continue;
      prompts.add(prompt.trim());
      prompt = '';
    }
    if (prompt.length > length / 2) prompts.add(prompt.trim());
  }
  return [...prompts];
}
