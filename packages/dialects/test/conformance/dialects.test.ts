import type { Dialect } from '@headgate/core';
import { dialectConformance, type Recording } from '@headgate/core/testing';
import { describe, test } from 'vitest';
import { anthropicDialect, ollamaDialect, openaiDialect } from '../../src/index.js';
import { anthropicRecordings, ollamaRecordings, openaiRecordings, withLineEnds } from '../recordings/table.js';

/** Line ends survive only where nothing is rewritten, so the variants take the streams that pass as they are. */
function variants(recordings: readonly Recording[]): Recording[] {
  const streams = recordings.filter((recording) => recording.isStream && recording.delivered === undefined);
  const sse = streams.filter((recording) => recording.contentType === 'text/event-stream');
  return [
    ...recordings,
    ...streams.slice(0, 3).map((recording) => withLineEnds(recording, '\r\n')),
    ...sse.slice(0, 2).map((recording) => withLineEnds(recording, '\r')),
  ];
}

const suites: readonly (readonly [Dialect, readonly Recording[]])[] = [
  [ollamaDialect, variants(ollamaRecordings)],
  [openaiDialect, variants(openaiRecordings)],
  [anthropicDialect, variants(anthropicRecordings)],
];

for (const [dialect, recordings] of suites) {
  describe(`the ${dialect.name} dialect`, () => {
    for (const { name, run } of dialectConformance(dialect, recordings)) test(name, run);
  });
}
