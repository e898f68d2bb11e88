/** Does set-up jobs one at a time, in a thread or on the caller's own. No state but tables of the reference. */
import { invariant, ZkraftError } from '../../common/index.ts';
import {
  g1ToMontgomery,
  g2ToMontgomery,
  parseR1cs,
  readInteger,
  SCALAR_BYTES,
  verificationKeyOf,
  viewOf,
  writeInteger,
} from '../formats/index.ts';
import { instantiateKernels, type Kernels } from '../kernels/index.ts';
import { createFixedBase, type FixedBase, type Fq2Element, G1, G2, windowBitsFor } from '../reference/index.ts';
import { buildFixedBase, computeKeyScalars, keyCounts, multiplyFixedBase } from '../wasm/index.ts';
import { coefficientSection, domainSizeOf, qapScalars } from './qap.ts';
import type {
  Job,
  MultiplyJob,
  ReadCircuit,
  ReferenceMultiplyJob,
  ReferenceScalars,
  ReferenceScalarsJob,
  Result,
  ScalarsJob,
  TableJob,
  ThreadKernels,
} from './thread-jobs.ts';
import { readTrapdoor, TRAPDOOR_BYTES } from './trapdoor.ts';

/**
 * By measurement at 2^17 (7 s of CPU, 0.4 GB), rows of 2^20 take a minute and 3 GB; beyond, a ceremony's phase 2 is the
 * right tool.
 */
export const SETUP_DOMAIN_MAX = 2 ** 20;
/** Wires that occur in no row still have points: what bounds memory where rows do not. */
const SETUP_WIRES_MAX = 4 * SETUP_DOMAIN_MAX;

export class JobRunner {
  readonly #kernels: Kernels | undefined;
  readonly #workAt: number;
  #referenceG1: FixedBase<bigint> | undefined;
  #referenceG2: FixedBase<Fq2Element> | undefined;

  static async create(given: ThreadKernels): Promise<JobRunner> {
    if (given === undefined) return new JobRunner(undefined, 0);
    return new JobRunner(await instantiateKernels(given.kernel, given.memory), given.workAt);
  }

  private constructor(kernels: Kernels | undefined, workAt: number) {
    this.#kernels = kernels;
    this.#workAt = workAt;
  }

  async run(job: Job): Promise<Result> {
    switch (job.kind) {
      case 'read':
        return readCircuit(job.r1cs);
      case 'scalars':
        return await this.#scalars(job);
      case 'table':
        return this.#table(job);
      case 'multiply':
        return this.#multiply(job);
      case 'reference-scalars':
        return referenceScalars(job);
      case 'reference-multiply':
        return this.#multiplyReference(job);
      case 'verification-key':
        return verificationKeyOf({ header: job.header, sections: { ic: job.ic } });
    }
  }

  async #scalars({ circuit, scratch, trapdoorAt, g1At, g2At }: ScalarsJob): Promise<Uint8Array> {
    const { memory, ...module } = this.#required();
    const coefficients = coefficientSection(circuit.r1cs);
    const counts = keyCounts(circuit.r1cs, circuit.domainSize);
    const { buffer } = memory;
    computeKeyScalars(
      await instantiateKernels(module, scratch),
      { ...circuit, coefficients },
      new Uint8Array(buffer, trapdoorAt, TRAPDOOR_BYTES),
      {
        g1: new Uint8Array(buffer, g1At, counts.g1 * SCALAR_BYTES),
        g2: new Uint8Array(buffer, g2At, counts.g2 * SCALAR_BYTES),
      },
    );
    return coefficients;
  }

  #table({ shape, at }: TableJob) {
    return buildFixedBase(this.#required(), shape, at);
  }

  #multiply({ table, scalarsAt, count }: MultiplyJob): Uint8Array {
    return multiplyFixedBase(this.#required(), table, scalarsAt, count, this.#workAt);
  }

  #multiplyReference({ group, scalars: buffer, from, to }: ReferenceMultiplyJob): Uint8Array {
    const view = new DataView(buffer);
    const scalars = Array.from({ length: to - from }, (_, i) => readInteger(view, (from + i) * SCALAR_BYTES));
    const windowBits = windowBitsFor(buffer.byteLength / SCALAR_BYTES);
    if (group === 'g1') {
      this.#referenceG1 ??= createFixedBase(G1, G1.generator, windowBits);
      return g1ToMontgomery(this.#referenceG1.multiplyMany(scalars));
    }
    this.#referenceG2 ??= createFixedBase(G2, G2.generator, windowBits);
    return g2ToMontgomery(this.#referenceG2.multiplyMany(scalars));
  }

  #required(): Kernels {
    invariant(this.#kernels !== undefined, 'only threads with kernels are asked to use them');
    return this.#kernels;
  }
}

function readCircuit(bytes: Uint8Array): ReadCircuit {
  const r1cs = parseR1cs(bytes);
  const domainSize = domainSizeOf(r1cs);
  const refuse = (why: string): never => {
    throw new ZkraftError('r1cs_invalid', `the circuit ${why}. Make its key from a .ptau file`, { field: 'r1cs' });
  };
  if (domainSize > SETUP_DOMAIN_MAX) {
    refuse(`needs a domain of ${domainSize}; a one-party set-up takes up to ${SETUP_DOMAIN_MAX}`);
  }
  if (r1cs.wires > SETUP_WIRES_MAX) {
    refuse(`has ${r1cs.wires} wires; a one-party set-up takes up to ${SETUP_WIRES_MAX}`);
  }
  return { r1cs, domainSize };
}

function referenceScalars({ circuit, trapdoor: bytes }: ReferenceScalarsJob): ReferenceScalars {
  const { r1cs, domainSize } = circuit;
  const trapdoor = readTrapdoor(new Uint8Array(bytes));
  const { alpha, beta, gamma, delta } = trapdoor;
  const { ic, a, b, c, h } = qapScalars(r1cs, domainSize, trapdoor);
  return {
    coefficients: coefficientSection(r1cs),
    g1: toShared([[alpha, beta, delta], ic, a, b, c, h]),
    g2: toShared([[beta, gamma, delta], b]),
  };
}

function toShared(lists: readonly (readonly bigint[])[]): SharedArrayBuffer {
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  const buffer = new SharedArrayBuffer(count * SCALAR_BYTES);
  const view = viewOf(new Uint8Array(buffer));
  let at = 0;
  for (const list of lists) {
    for (const value of list) {
      writeInteger(view, at, value);
      at += SCALAR_BYTES;
    }
  }
  return buffer;
}
