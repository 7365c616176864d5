/** README.md: what is simulated, and what came of it. */
import { table } from '../../lib/table.js';
import type { Section } from './section.js';

export function page(sections: readonly Section[]): string {
  const aims = sections.flatMap((section) => section.aims);
  const body = sections.map(({ title, text }) => `## ${title}\n\n${text}\n`).join('\n');
  return inLines(`${head}
${table(
  ['aim', 'measured', ''],
  aims.map(({ aim, measured, holds }) => [aim, measured, holds ? 'holds' : '**not met**']),
)}

${body}
${foot}`);
}

/** Prose in lines of one width; everything else as it is. */
function inLines(text: string, width = 120): string {
  return text
    .split('\n\n')
    .map((paragraph) => (/^(?:[|#-]|```)/.test(paragraph) ? paragraph : wrapped(paragraph, width)))
    .join('\n\n');
}

function wrapped(paragraph: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.trim().split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return `${[...lines, line].join('\n')}${paragraph.endsWith('\n') ? '\n' : ''}`;
}

const head = `# Simulation

The limiter as users run it, with its policy, memory store, queue and pool, in virtual time: clients that send, leave and flood in front, engines that batch like LLM servers behind. Nothing
waits, and nothing is drawn by lot except from a seed, so the same command writes this same page on every machine:

\`\`\`
npm run bench:simulation
\`\`\`

\`npm run bench:simulation -- --only burst\` plays one scenario, \`-- --seed 17\` one system with faults, told line by line. A short run of all of them is part of \`npm test\`.
`;

const foot = `## How it is made

In each step of an engine every running request gets one token; a step takes 42 ms, and 0.21 ms more for each prompt token that is read in it. With twenty slots that is 866 tokens a second
of requests with 256 tokens in and 256 out. The server on which the virtual token counter was published made 875 to 893, and its overload ended with a difference of 237,738 for first come, first served and of 9,050 for the counter.
Simplified: no chunked prefill, no preemption, no network.

\`world/\` has the clients and engines, \`doors/\` what decides (Headgate, and the orders it is compared with), \`workloads/\` and \`data/\` what is sent, \`measures/\` the figures, \`faults/\` what is drawn and broken and the checkers, \`scenarios/\` one file for each part of
this page. Seeds that ever failed are kept in \`faults/seeds.json\` and tried first. The traces and their licences: [data](data/README.md).

In a program of your own: \`play(contestant, { arrivals, backends, engine })\` of \`world/play.ts\` takes any list of arrivals, any door, and any engine.
`;
