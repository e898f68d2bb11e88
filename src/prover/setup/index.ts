/** How a circuit gets its keys, and which keys are refused. See README.md. */

export { SETUP_DOMAIN_MAX } from './job-runner.ts';
export { type Phase2Options, type Phase2Stage, phase2Setup } from './phase2.ts';
export { checkProvingKey } from './proving-key.ts';
export {
  chooseArithmetic,
  type SetupArithmetic,
  type SetupProgress,
  type SetupResult,
  type SinglePartyOptions,
  singlePartySetup,
} from './single-party.ts';
export { checkVerificationKey } from './verification-key.ts';
