/** From a witness to the scalars of a key's H points. See README.md. */

export {
  coefficientEntries,
  computeHScalars,
  evaluateMatrix,
  joinHScalars,
  loadWitness,
  moveToOddPoints,
  multiplyMatrices,
  QuotientDraft,
  type QuotientPlan,
  type QuotientVector,
  wipeWork,
} from './h-scalars.ts';
export type { CoefficientChunks } from './sparse-rows.ts';
