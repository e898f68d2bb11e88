/** A verification key on the kernels, in a memory of its own, and what tests ask of it. */
import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../src/common/index.ts';
import type { VerificationKey } from '../../src/prover/formats/index.ts';
import {
  type BadMember,
  type BatchItem,
  batchWorkBytes,
  preparationBytes,
  prepareVerificationKey,
  verificationWorkBytes,
  verify,
  verifyBatch,
} from '../../src/prover/wasm/index.ts';
import { FREE_AT, laneKernels } from './lane-kernels.ts';
import { refusalCode } from './refusals.ts';

const PAGE = 65_536;

export interface VerificationBench {
  verify(item: BatchItem): boolean;
  /** true, false, or the code of the refusal. */
  answer(item: BatchItem): boolean | ErrorCode;
  batch(items: readonly BatchItem[], random?: (count: number) => Uint8Array): BadMember[];
}

/** `members`: of the largest batch. */
export async function verificationBench(key: VerificationKey, members = 64): Promise<VerificationBench> {
  const kernels = await laneKernels(16);
  const need = (end: number): void => {
    const missing = end - kernels.memory.buffer.byteLength;
    if (missing > 0) kernels.memory.grow(Math.ceil(missing / PAGE));
  };
  need(FREE_AT + preparationBytes(kernels, key.nPublic));
  const prepared = prepareVerificationKey(kernels, key, FREE_AT);
  const work = prepared.end;
  need(work + Math.max(verificationWorkBytes(kernels, prepared), batchWorkBytes(kernels, prepared, members)));
  const one = ({ proof, publicSignals }: BatchItem) => verify(kernels, prepared, proof, publicSignals, work);
  return {
    verify: one,
    answer(item) {
      let holds = false;
      const code = refusalCode(() => {
        holds = one(item);
      });
      return code ?? holds;
    },
    batch: (items, random = randomBytes) => verifyBatch(kernels, prepared, items, random, work),
  };
}
