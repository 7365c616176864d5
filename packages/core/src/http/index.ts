/** For adapters to frameworks that run on `Request` and `Response`, and what adapters of every kind share. */
export { signatureOf } from '../alert/signature.js';
export { isAmong, isTrustedProxy, trustedProxies } from '../identity/sources.js';
export { bodyTooLarge } from '../refusal.js';
export type { HttpLimiter, Identification } from './adapter.js';
export { applicationGate, dialectsOf, ownOptions } from './adapter.js';
export type { FetchAnswerOptions } from './fetch-answer.js';
export { answerThrough, refusalResponse } from './fetch-answer.js';
export type { FetchGateOptions } from './fetch-request.js';
export { fetchGateRequest, targetOf, withBody } from './fetch-request.js';
export type { Headgate } from './headgate.js';
export { headersOf, headgateOf } from './headgate.js';
export { jsonOf } from './json-body.js';
export type { RequestMeaning } from './known-path.js';
export type { Place } from './meaning.js';
export { meaningOf, mountOf } from './meaning.js';
