/** How a circuit gets its keys, and which keys are refused. See README.md. */
export { checkProvingKey, checkVerificationKey } from './proving-key.ts';
export { SETUP_DOMAIN_MAX } from './qap.ts';
export { type SetupProgress, type SetupResult, type SinglePartyOptions, singlePartySetup } from './single-party.ts';
