/** Scalars of a proof: random ones, and vectors of them times a constant. */
export { drawScalar, type RandomSource, systemRandom } from './random-scalar.ts';
export { SCALE_WORK_PACKS, scaleScalars } from './scale.ts';
