/** For adapters to frameworks that run on `Request` and `Response`, and what adapters of every kind share. */
export { signatureOf } from '../alert/signature.js';
export { isAmong, isTrustedProxy, trustedProxies } from '../identity/sources.js';
export type { OptionKind, OptionKinds } from '../policy/options.js';
export { aDialectList, aFunction, callbackKinds, checkOptions, oneOfWords, withMethod } from '../policy/options.js';
export { bodyTooLarge } from '../refusal.js';
export type { AdapterMaking, AdapterParts, HttpLimiter, Identification } from './adapter.js';
export { adapterParts, applicationGate, dialectsOf, isLimiter, parted } from './adapter.js';
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
