import { describe, expect, test } from 'vitest';
import { Calendar, type CalendarUnit } from '../../../src/limits/calendar-window.js';
import { day, hour, second } from '../../support/fixtures.js';

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

function windowOf(unit: CalendarUnit, timeZone: string, at: string): [string, string] {
  const { start, end } = new Calendar(unit, timeZone).at(Date.parse(at));
  return [iso(start), iso(end)];
}

describe('the window of the calendar that holds an instant', () => {
  test.each<[CalendarUnit, string, string, string, string]>([
    ['day', 'UTC', '2026-01-05T00:00:00Z', '2026-01-05T00:00:00Z', '2026-01-06T00:00:00Z'],
    ['day', 'UTC', '2026-01-05T23:59:59.999Z', '2026-01-05T00:00:00Z', '2026-01-06T00:00:00Z'],
    ['day', 'UTC', '2024-02-29T12:00:00Z', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['week', 'UTC', '2026-01-05T00:00:00Z', '2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'],
    ['week', 'UTC', '2026-01-11T23:59:59.999Z', '2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'],
    ['week', 'UTC', '2026-01-01T12:00:00Z', '2025-12-29T00:00:00Z', '2026-01-05T00:00:00Z'],
    ['month', 'UTC', '2026-01-31T23:59:59.999Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['month', 'UTC', '2025-12-31T23:59:59.999Z', '2025-12-01T00:00:00Z', '2026-01-01T00:00:00Z'],
    ['month', 'UTC', '2024-02-29T23:00:00Z', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['day', 'America/New_York', '2026-01-05T04:59:59Z', '2026-01-04T05:00:00Z', '2026-01-05T05:00:00Z'],
    ['day', 'America/New_York', '2026-01-05T05:00:00Z', '2026-01-05T05:00:00Z', '2026-01-06T05:00:00Z'],
    // Days of 23 and 25 hours.
    ['day', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
    ['day', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    ['month', 'Europe/Berlin', '2026-03-15T12:00:00Z', '2026-02-28T23:00:00Z', '2026-03-31T22:00:00Z'],
    ['day', 'Asia/Kolkata', '2026-01-05T18:29:59Z', '2026-01-04T18:30:00Z', '2026-01-05T18:30:00Z'],
    ['day', 'Asia/Kathmandu', '2026-01-05T18:15:00Z', '2026-01-05T18:15:00Z', '2026-01-06T18:15:00Z'],
    ['day', 'Pacific/Kiritimati', '2026-01-05T10:00:00Z', '2026-01-05T10:00:00Z', '2026-01-06T10:00:00Z'],
    ['day', 'Pacific/Pago_Pago', '2026-01-05T10:59:59Z', '2026-01-04T11:00:00Z', '2026-01-05T11:00:00Z'],
    // Clocks that change at midnight: the day begins at 01:00, or its midnight comes twice.
    ['day', 'Africa/Cairo', '2026-04-24T12:00:00Z', '2026-04-23T22:00:00Z', '2026-04-24T21:00:00Z'],
    ['day', 'Asia/Beirut', '2026-03-29T12:00:00Z', '2026-03-28T22:00:00Z', '2026-03-29T21:00:00Z'],
    ['day', 'America/Havana', '2026-03-08T12:00:00Z', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
    ['day', 'Atlantic/Azores', '2026-10-25T12:00:00Z', '2026-10-25T00:00:00Z', '2026-10-26T01:00:00Z'],
    // A day that did not exist: Samoa went from the 29th to the 31st.
    ['day', 'Pacific/Apia', '2011-12-30T09:59:59Z', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
    ['day', 'Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
  ])('a %s in %s at %s', (unit, timeZone, at, start, end) => {
    expect(windowOf(unit, timeZone, at)).toEqual([start, end]);
  });

  test.each(['UTC', 'America/New_York', 'Africa/Cairo', 'Australia/Lord_Howe', 'Asia/Beirut', 'America/Santiago'])(
    'through a year in %s every instant is in one window and the windows follow one another',
    (timeZone) => {
      for (const unit of ['day', 'week', 'month'] as const) {
        const calendar = new Calendar(unit, timeZone);
        const first = Date.UTC(2026, 0, 1);
        let { start, end } = calendar.at(first);
        while (end < first + 366 * day) {
          expect(start).toBeLessThan(end);
          expect(calendar.at(end - 1)).toEqual({ start, end });
          const next = calendar.at(end);
          expect(next.start).toBe(end);
          ({ start, end } = next);
        }
      }
    },
  );

  test('asked back and forth answers the same', () => {
    const calendar = new Calendar('day', 'Europe/Paris');
    const at = Date.UTC(2026, 5, 1, 12);
    const before = calendar.at(at);
    calendar.at(at + 40 * day);
    calendar.at(at - 40 * day);
    expect(calendar.at(at + 3 * hour + second)).toEqual(before);
  });

  test('of a time zone that does not exist is a RangeError', () => {
    expect(() => new Calendar('day', 'Mars/Olympus')).toThrow(RangeError);
  });
});
