/** For tests of code that uses Headgate: a clock that is told the time, and the suites that our own adapters and stores pass. */

export type {
  AdapterHarness,
  AdapterServer,
  AdapterSetup,
  ConformanceHandler,
  Exchange,
  Scenario,
} from './adapter-conformance.js';
export { adapterConformance } from './adapter-conformance.js';
export type { ConformanceCase, Recording } from './dialect-conformance.js';
export { dialectConformance } from './dialect-conformance.js';
export { exchangeConformance } from './exchange-conformance.js';
export type { ReferenceInstant, ReferenceReceipt, ReferenceRefusal } from './reference-limiter.js';
export { ReferenceLimiter } from './reference-limiter.js';
export type { MakeStore, StoreConformanceCase } from './store-conformance.js';
export { storeConformance } from './store-conformance.js';
export { settled, VirtualClock } from './virtual-clock.js';
