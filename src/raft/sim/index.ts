/** A simulated world for the replicated log: see README.md. */
export { COVERED, Coverage, type Covered } from './coverage.ts';
export * from './linearizability.ts';
export { PROFILES, type ProfileName } from './profile.ts';
export { type SimulationOptions, type SimulationResult, simulate } from './run.ts';
export { type SearchOptions, type SearchResult, search } from './search.ts';
export { type Invariant, Violation } from './violation.ts';
