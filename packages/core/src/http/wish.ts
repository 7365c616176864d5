/** What a request asks of the limiter, in its words. */
import type { AdmitRequest, Identity } from '../model.js';
import type { Policy } from '../policy/policy.js';
import type { Reading, Route } from './dialect.js';
import { toolsOf } from './dialect.js';
import type { RunPlace } from './run-headers.js';

/** An object that is being filled in: copying what is mostly absent would cost more than the decision. */
type Writable<Record> = { -readonly [Key in keyof Record]: Record[Key] };

/** What is asked, once all of it was read. */
export interface Asked {
  readonly route: Route;
  readonly reading: Reading | undefined;
  readonly run: RunPlace | undefined;
  /** See `Passage.unasked`. */
  readonly unasked?: Uint8Array | undefined;
}

/** Who asks. */
interface Asking {
  readonly address: string;
  readonly identity?: Identity;
}

export function wishOf({ address, identity }: Asking, { route, reading, run }: Asked, policy: Policy): AdmitRequest {
  const wish: Writable<AdmitRequest> = {
    operation: reading?.operation ?? route.operation,
    address,
    path: route.path,
    method: route.method,
  };
  if (identity !== undefined) wish.identity = identity;
  if (run !== undefined) wish.run = run;
  if (reading !== undefined) wishFor(reading, wish, policy);
  return wish;
}

function wishFor(reading: Reading, wish: Writable<AdmitRequest>, { guard }: Policy): void {
  if (reading.model !== '') wish.model = reading.model;
  wish.input = reading;
  wish.stream = reading.stream;
  wish.tools = toolsOf(reading);
  if (reading.outputTokensMax !== undefined) wish.outputTokensMax = reading.outputTokensMax;
  // Every request is sent with the pinned size, so it is known.
  const { num_ctx: numCtx } = guard.options;
  if (typeof numCtx === 'number') wish.contextTokens = numCtx;
}
