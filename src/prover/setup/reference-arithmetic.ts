/** A key in BigInt: the oracle of the kernels, and what there is where none runs. Its BigInts cannot be wiped. */
import { invariant } from '../../common/index.ts';
import type { VerificationKey } from '../formats/index.ts';
import { keyCounts } from '../wasm/index.ts';
import { Crew, type Jobs, OwnThread } from './crew.ts';
import { type KeyArithmetic, type PointGroup, type PreparedKey, verificationKeyJob } from './key-arithmetic.ts';
import { drawTrapdoor, firstHasTwoPowerOrder, type RandomBytes, TRAPDOOR_BYTES } from './trapdoor.ts';

export class ReferenceArithmetic implements KeyArithmetic {
  /** Small enough for smooth progress and even load, large enough to share inversions. */
  readonly slicePoints = { g1: 1024, g2: 256 };
  readonly #jobs: Jobs;
  readonly #trapdoor = new SharedArrayBuffer(TRAPDOOR_BYTES);
  #scalars: Readonly<Record<PointGroup, SharedArrayBuffer>> | undefined;

  /** `threads`: 0 is the caller's own. */
  static async create(threads: number, signal?: AbortSignal): Promise<ReferenceArithmetic> {
    const equip = (): undefined => undefined;
    return new ReferenceArithmetic(
      threads === 0 ? await OwnThread.create(equip(), signal) : new Crew(threads, equip, signal),
    );
  }

  private constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  drawTrapdoor(randomBytes: RandomBytes): void {
    const trapdoor = new Uint8Array(this.#trapdoor);
    drawTrapdoor(trapdoor, randomBytes, () => firstHasTwoPowerOrder(trapdoor));
  }

  async prepare(bytes: Uint8Array): Promise<PreparedKey> {
    const circuit = await this.#jobs.run({ kind: 'read', r1cs: bytes });
    const { wires, publics } = circuit.r1cs;
    const { coefficients, g1, g2 } = await this.#jobs.run({
      kind: 'reference-scalars',
      circuit,
      trapdoor: this.#trapdoor,
    });
    this.#scalars = { g1, g2 };
    const counts = keyCounts(circuit.r1cs, circuit.domainSize);
    return { wires, publics, domainSize: circuit.domainSize, coefficients, counts };
  }

  multiply(group: PointGroup, from: number, to: number): Promise<Uint8Array> {
    invariant(this.#scalars !== undefined, 'a key is prepared before its points are made');
    return this.#jobs.run({ kind: 'reference-multiply', group, scalars: this.#scalars[group], from, to });
  }

  verificationKey(zkey: Uint8Array): Promise<VerificationKey> {
    return this.#jobs.run(verificationKeyJob(zkey));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#jobs[Symbol.asyncDispose]();
    const { g1, g2 } = this.#scalars ?? {};
    for (const secret of [this.#trapdoor, g1, g2]) if (secret) new Uint8Array(secret).fill(0);
  }
}
