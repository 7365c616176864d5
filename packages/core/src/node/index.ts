/** For adapters to frameworks that run on Node's own requests and responses. */
export { ClientGoneError } from '../http/client-gone.js';
export type { RequestMeaning } from '../http/known-path.js';
export type { Place } from '../http/meaning.js';
export { restoreBody } from './body.js';
export { breakOff, whenClosed } from './departure.js';
export type { NodeGateOptions } from './facts.js';
export { mountedMeaning, nodeGateRequest } from './facts.js';
export type { NodeRequest, NodeResponse, NodeSocket } from './message.js';
export type { NodeAsk } from './node-gate.js';
export { NodeGate } from './node-gate.js';
export { mergedHeaders, setHeaders, writeRefusal, writeRefusalBody, writeRefusalHead } from './refusal.js';
export type { TapOptions, TappedResponse } from './response-tap.js';
export { tapResponse } from './response-tap.js';
