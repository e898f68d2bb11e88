/** Everything that is no proof of a task, and what may look like one: name, bytes, public signals. */
import { randomBytes } from 'node:crypto';
import { fromBytesBE, Q, R, toBytesBE } from '../../src/common/index.ts';
import { strayTwistPoint } from '../support/stray-twist-point.ts';
import type { Cluster, TrueProof } from './cluster.ts';

export interface BadProof {
  readonly name: string;
  readonly make: (of: { readonly own: TrueProof; readonly other: TrueProof }) => TrueProof;
}

const word = (bytes: Uint8Array, i: number): bigint => fromBytesBE(bytes.subarray(32 * i, 32 * (i + 1)));

/** The proof with some of its eight coordinates replaced: A.x A.y, B.x.c0 B.x.c1 B.y.c0 B.y.c1, C.x C.y. */
function withWords(proof: Uint8Array, words: Readonly<Record<number, bigint>>): Uint8Array {
  const copy = Uint8Array.from(proof);
  for (const [i, value] of Object.entries(words)) copy.set(toBytesBE(value), 32 * Number(i));
  return copy;
}

const proofOnly = (name: string, make: (proof: Uint8Array) => Uint8Array): BadProof => ({
  name,
  make: ({ own }) => ({ proof: make(own.proof), signals: own.signals }),
});
const signalsOnly = (name: string, make: (root: Uint8Array, hash: Uint8Array) => Uint8Array[]): BadProof => ({
  name,
  make: ({ own: { proof, signals } }) => ({
    proof,
    signals: make(signals[0] ?? new Uint8Array(), signals[1] ?? new Uint8Array()),
  }),
});

export const BAD_PROOFS: readonly BadProof[] = [
  proofOnly('256 random bytes', () => randomBytes(256)),
  proofOnly('no bytes', () => new Uint8Array()),
  proofOnly('900 KB', () => new Uint8Array(900_000).fill(7)),
  proofOnly('points at infinity', () => new Uint8Array(256)),
  proofOnly('a point off the curve', (proof) => withWords(proof, { 0: word(proof, 0) + 1n })),
  proofOnly('a coordinate that is not reduced', (proof) => withWords(proof, { 0: word(proof, 0) + Q })),
  proofOnly('a point of the twist outside G2', (proof) => {
    const { x, y } = strayTwistPoint();
    return withWords(proof, { 2: x.c0, 3: x.c1, 4: y.c0, 5: y.c1 });
  }),
  proofOnly('a true proof with A negated', (proof) => withWords(proof, { 1: Q - word(proof, 1) })),
  proofOnly('a true proof with A and C exchanged', (proof) =>
    withWords(proof, { 0: word(proof, 6), 1: word(proof, 7), 6: word(proof, 0), 7: word(proof, 1) }),
  ),
  {
    name: 'the true proof of another task, with the signals of this one',
    make: ({ own, other }) => ({ proof: other.proof, signals: own.signals }),
  },
  { name: 'the true proof of another task, with its own signals', make: ({ other }) => other },
  signalsOnly('its signals exchanged', (root, hash) => [hash, root]),
  signalsOnly('a signal that is not below r', (root, hash) => [toBytesBE(fromBytesBE(root) + R), hash]),
  signalsOnly('a signal left out', (root) => [root]),
  signalsOnly('1,000 signals', (root) => Array.from({ length: 1_000 }, () => root)),
];

/** (-A, -B, C) verifies as (A, B, C) does: of a statement that holds there are many proofs, and each is one. */
export function mauled({ proofs }: Cluster): TrueProof {
  const { proof, signals } = proofs.login;
  const negated = { 1: Q - word(proof, 1), 4: Q - word(proof, 4), 5: Q - word(proof, 5) };
  return { proof: withWords(proof, negated), signals };
}
