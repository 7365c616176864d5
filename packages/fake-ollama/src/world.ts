import type { FaultBox } from './faults.js';
import type { ModelCatalog } from './models.js';
import type { Settings } from './options.js';
import type { Recorder } from './record.js';
import type { Scheduler } from './scheduler.js';

/** Everything a handler may use. */
export interface World {
  settings: Settings;
  models: ModelCatalog;
  scheduler: Scheduler;
  faults: FaultBox;
  recorder: Recorder;
  /** Digests uploaded through `/api/blobs`. */
  blobs: Set<string>;
}
