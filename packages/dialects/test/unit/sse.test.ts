import { describe, expect, test } from 'vitest';
import { parseSseEvent, sseFraming } from '../../src/sse.js';

/** The events of a stream, fed in pieces; what is left over comes last. */
function events(pieces: readonly string[]): string[] {
  const framing = sseFraming();
  const found: string[] = [];
  let open = '';
  for (const piece of pieces) {
    const bytes = new TextEncoder().encode(piece);
    let from = 0;
    while (from < bytes.length) {
      const end = framing.next(bytes, from);
      open += piece.slice(from, end < 0 ? undefined : end);
      if (end < 0) break;
      found.push(open);
      open = '';
      from = end;
    }
  }
  return open === '' ? found : [...found, open];
}

describe('where events end', () => {
  test.each([
    ['\n', ['event: a\ndata: 1\n\n', ': ping\n\n', 'data: 2\n\n']],
    ['\r\n', ['event: a\r\ndata: 1\r\n\r\n', ': ping\r\n\r\n', 'data: 2\r\n\r\n']],
    ['\r', ['event: a\rdata: 1\r\r', ': ping\r\r', 'data: 2\r\r']],
  ])('with lines that end in %j, cut anywhere', (_ends, expected) => {
    const whole = expected.join('');
    expect(events([whole])).toEqual(expected);
    expect(events([...whole])).toEqual(expected);
    for (let cut = 1; cut < whole.length; cut += 1)
      expect(events([whole.slice(0, cut), whole.slice(cut)])).toEqual(expected);
  });

  test('with line ends that change from one to another', () => {
    expect(events(['data: 1\r\n\r', 'data: 2\n\n'])).toEqual(['data: 1\r\n\r', 'data: 2\n\n']);
    expect(events(['data: 1\r\n\n', 'data: 2\r\rdata: 3\r\n\r\n'])).toEqual([
      'data: 1\r\n\n',
      'data: 2\r\r',
      'data: 3\r\n\r\n',
    ]);
  });

  test('what has no blank line after it has not ended', () => {
    expect(events(['data: 1\n\ndata: 2\n'])).toEqual(['data: 1\n\n', 'data: 2\n']);
  });
});

describe('the fields of an event', () => {
  test.each([
    ['data: a\n\n', { event: '', data: 'a' }],
    ['data:a\n\n', { event: '', data: 'a' }],
    ['data:  a \n\n', { event: '', data: ' a ' }],
    ['data: a\ndata: b\n\n', { event: '', data: 'a\nb' }],
    ['event: x\r\ndata: a\r\nid: 5\r\n\r\n', { event: 'x', data: 'a' }],
    [': data: a\n\n', { event: '', data: undefined }],
    ['data:\n\n', { event: '', data: '' }],
    ['database: a\n\n', { event: '', data: undefined }],
  ])('%j', (text, expected) => {
    expect(parseSseEvent(text)).toEqual(expected);
  });
});
