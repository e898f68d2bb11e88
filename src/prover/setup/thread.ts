/** A set-up thread: one job at a time, no state but the tables of the two generators. Started by crew.ts. */
import { parentPort } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import {
  g1ToMontgomery,
  g2ToMontgomery,
  parseR1cs,
  readInteger,
  SCALAR_BYTES,
  verificationKeyFromZkey,
  viewOf,
  writeInteger,
} from '../formats/index.ts';
import { createFixedBase, type FixedBase, type Fq2Element, G1, G2, windowBitsFor } from '../reference/index.ts';
import { coefficientSection, domainSizeOf, qapScalars } from './qap.ts';
import type { Answer, Job, MultiplyJob, Prepared, PrepareJob } from './thread-jobs.ts';
import { readTrapdoor } from './trapdoor.ts';

function prepare(job: PrepareJob): Prepared {
  const r1cs = parseR1cs(job.r1cs);
  const domainSize = domainSizeOf(r1cs);
  if (domainSize > job.domainSizeMax) {
    throw new ZkraftError(
      'r1cs_invalid',
      `the circuit needs a domain of ${domainSize}; a one-party set-up takes up to ${job.domainSizeMax}. ` +
        'Make its key from a .ptau file',
      { field: 'r1cs' },
    );
  }
  const trapdoor = readTrapdoor(new Uint8Array(job.trapdoor));
  const { alpha, beta, gamma, delta } = trapdoor;
  const { ic, a, b, c, h } = qapScalars(r1cs, domainSize, trapdoor);
  return {
    wires: r1cs.wires,
    publics: r1cs.publics,
    domainSize,
    coefficients: coefficientSection(r1cs),
    g1: toShared([[alpha, beta, delta], ic, a, b, c, h]),
    g2: toShared([[beta, gamma, delta], b]),
  };
}

function toShared(lists: readonly (readonly bigint[])[]): SharedArrayBuffer {
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  const buffer = new SharedArrayBuffer(count * SCALAR_BYTES);
  const view = new DataView(buffer);
  let at = 0;
  for (const list of lists) {
    for (const value of list) {
      writeInteger(view, at, value);
      at += SCALAR_BYTES;
    }
  }
  return buffer;
}

let tableG1: FixedBase<bigint> | undefined;
let tableG2: FixedBase<Fq2Element> | undefined;

function multiply(job: MultiplyJob): Uint8Array {
  const view = viewOf(new Uint8Array(job.scalars));
  const scalars = Array.from({ length: job.to - job.from }, (_, i) => readInteger(view, (job.from + i) * SCALAR_BYTES));
  const windowBits = windowBitsFor(job.scalars.byteLength / SCALAR_BYTES);
  if (job.group === 'g1') {
    tableG1 ??= createFixedBase(G1, G1.generator, windowBits);
    return g1ToMontgomery(tableG1.multiplyMany(scalars));
  }
  tableG2 ??= createFixedBase(G2, G2.generator, windowBits);
  return g2ToMontgomery(tableG2.multiplyMany(scalars));
}

function run(job: Job): Answer['result'] {
  switch (job.kind) {
    case 'prepare':
      return prepare(job);
    case 'multiply':
      return multiply(job);
    case 'verification-key':
      return verificationKeyFromZkey(job.zkey);
  }
}

parentPort?.on('message', (job: Job) => {
  let answer: Answer;
  try {
    const result = run(job);
    answer = result === undefined ? {} : { result };
  } catch (thrown) {
    answer = { error: ZkraftError.from(thrown).toJSON() };
  }
  parentPort?.postMessage(answer);
});
