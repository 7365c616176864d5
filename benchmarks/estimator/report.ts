import type { Machine } from '../lib/machine.js';
import { figure, range, table } from '../lib/table.js';
import { type Accuracy, mean, methods, ninthTenth } from './accuracy.js';
import type { Bound } from './bounds.js';
import type { Speed } from './speed.js';

export interface Results {
  readonly machine: Machine;
  readonly prompts: number;
  readonly accuracy: readonly { readonly encoding: string; readonly kinds: readonly Accuracy[] }[];
  readonly speed: readonly Speed[];
  readonly bounds: readonly Bound[];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function report({ machine, prompts, accuracy, speed, bounds }: Results): string {
  const { node, system, processors } = machine;
  return `# How good and how quick the estimate of tokens is

Made by \`npm run bench:estimator\`; Node ${node}, ${system}, ${processors}.

## Against tokenizers

Mean absolute error over ${prompts} prompts of 200 to 1,800 characters, against what tiktoken counts. _Calibrated_: after prompts of the
other half of the same text whose real size was reported, each kind of text from an identity of its own; _mixed_: all of them from one;
_taken over_: by a process that has answered nothing, from one that was calibrated and closed.
The weights of the estimate come from the first vocabulary; the second stands for a model that has another.

${accuracy.map(({ encoding, kinds }) => `### ${encoding}\n\n${accuracyTable(kinds)}`).join('\n\n')}

## Against looking at the text

A megabyte of each, against a loop over \`charCodeAt\` and nothing else. Median, and range over the rounds.

${table(
  ['text', 'times the loop', 'MB/s'],
  speed.map(({ text, timesFloor, megabytesPerS }) => [text, range(timesFloor), figure(megabytesPerS.median)]),
)}

## The exact counter at its bounds

64 KiB of runs of 512 characters, the longest that \`@headgate/tiktoken\` still hands to the tokenizer, against as much prose.
One character more, and the text is estimated.

${table(
  ['runs of', 'times prose'],
  bounds.map(({ text, timesProse }) => [text, range(timesProse)]),
)}
`;
}

function accuracyTable(kinds: readonly Accuracy[]): string {
  const rows = kinds.map(({ kind, charsPerToken, errors }) => [
    kind,
    figure(charsPerToken),
    ...methods.map((method) => percent(mean(errors[method]))),
  ]);
  const all = methods.map((method) => kinds.flatMap(({ errors }) => errors[method]));
  const summary = (name: string, of: (errors: readonly number[]) => number): string[] => [
    `**${name}**`,
    '',
    ...all.map((errors) => `**${percent(of(errors))}**`),
  ];
  return table(
    ['text', 'chars/token', ...methods],
    [...rows, summary('mean', mean), summary('nine of ten below', ninthTenth)],
  );
}
