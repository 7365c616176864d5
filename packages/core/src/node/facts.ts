/** A Node request in the words of the gate. */

import { ClientGoneError } from '../http/client-gone.js';
import type { Dialect } from '../http/dialect.js';
import type { RequestMeaning } from '../http/known-path.js';
import { meaningOf, type Place } from '../http/meaning.js';
import type { GateRequest } from '../http/passage.js';
import { Departure } from '../kernel/signal.js';
import { hasBody } from './arrival.js';
import { type BodyTime, readBody } from './body.js';
import { whenClosed } from './departure.js';
import type { NodeRequest, NodeResponse } from './message.js';

export interface NodeGateOptions extends BodyTime {
  /** Where method and URL are not what they mean to the handler; see `mountedMeaning`. */
  readonly meaning?: RequestMeaning;
}

export function nodeGateRequest(req: NodeRequest, res: NodeResponse, options: NodeGateOptions): GateRequest {
  const departure = new Departure();
  whenClosed(req, res, (delivered) => {
    if (!delivered) departure.abort(new ClientGoneError());
  });
  return {
    ...(options.meaning ?? asSent(req)),
    headers: req.headers,
    remoteAddress: req.socket.remoteAddress ?? '',
    signal: departure,
    readBody: (bytesMax) => readBody(req, bytesMax, options),
  };
}

function asSent(req: NodeRequest): RequestMeaning {
  return { method: req.method ?? 'GET', target: req.originalUrl ?? req.url ?? '/' };
}

/** What a request means to the dialects; see `meaningOf`. */
export function mountedMeaning(req: NodeRequest, place: Place, dialects: readonly Dialect[]): RequestMeaning {
  return meaningOf(asSent(req), hasBody(req), place, dialects);
}
