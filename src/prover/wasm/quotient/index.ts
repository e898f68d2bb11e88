/** From a witness to the scalars of a key's H points. See README.md. */
export {
  arrayBytes,
  DOMAIN_WORK_PACKS,
  type Domain,
  layOutDomain,
  placeOf,
  reversedBits,
  writeDomain,
} from './domain.ts';
export { coefficientEntries, computeHScalars, QuotientDraft, type QuotientPlan } from './h-scalars.ts';
export type { CoefficientChunks } from './sparse-rows.ts';
export { cosetTransform, inverseTransform, transformWorkPacks } from './transform.ts';
