/** For those who write a store: the arithmetic of limits as the memory store uses it, and how its rows are laid out. */
export type { CalendarUnit, CalendarWindow } from '../limits/calendar-window.js';
export { Calendar, Calendars } from '../limits/calendar-window.js';
export type { RollingWindow } from '../limits/rolling-window.js';
export { subBucketAt } from '../limits/rolling-window.js';
export type { OptionKinds } from '../policy/options.js';
export {
  aClock,
  aDuration,
  aFlag,
  aFunction,
  aText,
  checkKind,
  checkOptions,
  withMethod,
} from '../policy/options.js';
export { BucketColumn } from './bucket-column.js';
export type { Cells, Instant } from './columns.js';
export { CalendarColumn, Column, RollingColumn, SlotsColumn, unitsOf } from './columns.js';
export { noCost, sum } from './cost.js';
export type { GuardOptions, OnDown } from './guard.js';
export { GuardedStore } from './guard.js';
export type { Layout } from './layout.js';
export { groupBy, isLonger, layOut, tableKey } from './layout.js';
export { subjectKey } from './subject.js';
