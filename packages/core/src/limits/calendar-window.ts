/**
 * Calendar windows: a day, a week (from Monday) or a month of one time zone. The window's start is kept with the count, so
 * a new window begins by itself, and a window that has begun is never left for an earlier one: a clock set back grants nothing.
 */

export type CalendarUnit = 'day' | 'week' | 'month';

export interface CalendarWindow {
  /** Epoch ms of the first instant inside. */
  readonly start: number;
  /** Epoch ms of the first instant after. */
  readonly end: number;
}

const dayMs = 86_400_000;

interface LocalDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Computes windows of one unit in one time zone and remembers the last, since nearly every question is about it. */
export class Calendar {
  readonly #unit: CalendarUnit;
  readonly #format: Intl.DateTimeFormat;
  #last: CalendarWindow = { start: 0, end: 0 };

  /** @param timeZone IANA name; an unknown one throws RangeError, as Intl does */
  constructor(unit: CalendarUnit, timeZone: string) {
    this.#unit = unit;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
  }

  /** The window that holds `wall`, epoch ms. */
  at(wall: number): CalendarWindow {
    if (wall >= this.#last.start && wall < this.#last.end) return this.#last;
    const first = this.#firstDay(this.#local(wall));
    this.#last = { start: this.#startOf(first), end: this.#startOf(this.#nextFirst(first)) };
    return this.#last;
  }

  #firstDay({ year, month, day }: LocalDate): LocalDate {
    if (this.#unit === 'day') return { year, month, day };
    if (this.#unit === 'month') return { year, month, day: 1 };
    const weekday = (new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7;
    return shifted({ year, month, day }, -weekday);
  }

  #nextFirst(first: LocalDate): LocalDate {
    if (this.#unit === 'month') {
      return first.month === 12
        ? { year: first.year + 1, month: 1, day: 1 }
        : { year: first.year, month: first.month + 1, day: 1 };
    }
    return shifted(first, this.#unit === 'week' ? 7 : 1);
  }

  /** Epoch ms of the first instant of a local date; days whose midnight does not exist begin at the change of the clocks. */
  #startOf(date: LocalDate): number {
    const utc = Date.UTC(date.year, date.month - 1, date.day);
    const compare = (at: number): number => {
      const local = this.#local(at);
      return Date.UTC(local.year, local.month - 1, local.day) - utc;
    };
    // Time zones are at most 14 hours from UTC and change by whole minutes, so a search by minutes finds the edge.
    let before = utc - 15 * 3_600_000;
    let inside = utc + 15 * 3_600_000;
    while (inside - before > 60_000) {
      const middle = before + Math.floor((inside - before) / 120_000) * 60_000;
      if (compare(middle) >= 0) inside = middle;
      else before = middle;
    }
    return inside;
  }

  #local(at: number): LocalDate {
    const date = { year: 0, month: 0, day: 0 };
    for (const part of this.#format.formatToParts(at)) {
      if (part.type === 'year' || part.type === 'month' || part.type === 'day') date[part.type] = Number(part.value);
    }
    return date;
  }
}

function shifted({ year, month, day }: LocalDate, days: number): LocalDate {
  const at = new Date(Date.UTC(year, month - 1, day) + days * dayMs);
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
}

/** One calendar for each unit and time zone, however many limits follow it. */
export class Calendars {
  readonly #byName = new Map<string, Calendar>();

  of(unit: CalendarUnit, timeZone: string): Calendar {
    const name = `${unit} ${timeZone}`;
    let calendar = this.#byName.get(name);
    if (calendar === undefined) {
      calendar = new Calendar(unit, timeZone);
      this.#byName.set(name, calendar);
    }
    return calendar;
  }
}
