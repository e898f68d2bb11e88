/** What both sides of `bench ntt` transform, and how they write the outcome down to be compared. */
import { sha256Hex } from '../../../src/common/index.ts';
import { parseZkey } from '../../../src/prover/formats/index.ts';
import type { ContenderOrder } from '../../harness/contender.ts';
import { readZkey } from '../circuit-files.ts';
import { circuitDirOf, scalarBytes } from '../scalars.ts';

/** Coefficients of a polynomial, lowest first: 32 bytes each, Montgomery form, little-endian, below r. */
export async function readCoefficients(order: ContenderOrder): Promise<Uint8Array> {
  const { header } = parseZkey(await readZkey(circuitDirOf(order)), { level: 'header' });
  return scalarBytes('ntt', header.domainSize);
}

/** Of the values at 1, w, w^2 ..., in the encoding of the coefficients. */
export const valuesText = (values: Uint8Array): string => sha256Hex(values);
