/** JSON web tokens for `createLimiter(policy, { verifyToken: jwtVerifier() })`. */
export { type JwtVerifierOptions, jwtVerifier } from './verifier.js';
