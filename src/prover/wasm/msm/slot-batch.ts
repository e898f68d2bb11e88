/**
 * Slots, each a point or empty, and batches of additions to them: "slot += operand" for many different slots at once,
 * as one inversion is shared by all of a batch.
 *
 * The kernel adds points of different x alone, and tells when a batch has others. Then those are taken out here: equal
 * points are doubled, opposite ones leave their slot empty, and the rest is run again. A batch costs about twice as
 * much then, however many there are of them.
 *
 * `stamps` says of each slot when it was last touched: 0 never, it is empty; `now` in the batch that is being put
 * together, so that it can take no more. Nothing here asks; those who fill batches do.
 */
import { ZkraftError } from '../../../common/index.ts';
import { type Kernels, POINT_SCRATCH_PACKS } from '../../kernels/index.ts';
import { align, type BatchFunctions, batchFunctions, type Group, pointBytes, referenceTo } from './groups.ts';

/** Additions that share an inversion; more gain little, and lists and products should stay in the first caches. */
export const BATCH = 1024;
const LANES_MAX = 4;
const LIST_BYTES = align(4 * (BATCH + LANES_MAX));
const LISTS = 5;

export function kernelWorkBytes({ lanes, packBytes }: Kernels, group: Group, n = BATCH): number {
  return align((POINT_SCRATCH_PACKS + group.parts * (Math.ceil(n / lanes) + 1)) * packBytes);
}

export function slotBatchBytes(kernels: Kernels, group: Group, slots: number): number {
  const point = pointBytes(group, kernels.cellBytes);
  return (
    LISTS * LIST_BYTES +
    kernelWorkBytes(kernels, group) +
    align((kernels.lanes + 1) * point) +
    align(4 * slots) +
    align(slots * point)
  );
}

export class SlotBatch {
  readonly stamps: Int32Array;
  now = 1;
  /** How many additions and copies are in the batch so far: at most BATCH each. */
  adds = 0;
  copies = 0;
  /** Additions done in all, for those who measure. */
  additions = 0;

  readonly firstReference: number;
  readonly referenceStep: number;
  readonly #kernels: Kernels;
  readonly #group: Group;
  readonly #functions: BatchFunctions;
  readonly #pointBytes: number;
  readonly targets: Uint32Array;
  readonly operands: Uint32Array;
  readonly #copyTargets: Uint32Array;
  readonly #copyOperands: Uint32Array;
  readonly #doubled: Uint32Array;
  readonly #work: number;
  readonly #workWords: Uint32Array;
  readonly #fillers: Float64Array;
  readonly #freshFillers: Float64Array;
  readonly #equal = new Uint8Array(2 * LANES_MAX);

  /** `at`: `slotBatchBytes` of memory, a multiple of 16. */
  constructor(kernels: Kernels, group: Group, slots: number, at: number) {
    const { buffer } = kernels.memory;
    this.#kernels = kernels;
    this.#group = group;
    this.#functions = batchFunctions(kernels, group);
    this.#pointBytes = pointBytes(group, kernels.cellBytes);
    let next = at;
    const take = (bytes: number): number => {
      const here = next;
      next += align(bytes);
      return here;
    };
    const list = (): Uint32Array => new Uint32Array(buffer, take(LIST_BYTES), BATCH + LANES_MAX);
    this.targets = list();
    this.operands = list();
    this.#copyTargets = list();
    this.#copyOperands = list();
    this.#doubled = list();
    this.#work = take(kernelWorkBytes(kernels, group));
    this.#workWords = new Uint32Array(buffer, this.#work, kernelWorkBytes(kernels, group) / 4);
    this.#fillers = new Float64Array(
      buffer,
      take((kernels.lanes + 1) * this.#pointBytes),
      ((kernels.lanes + 1) * this.#pointBytes) / 8,
    );
    this.#freshFillers = this.#fillers.slice().fill(0);
    this.stamps = new Int32Array(buffer, take(4 * slots), slots);
    this.firstReference = referenceTo(take(slots * this.#pointBytes));
    this.referenceStep = this.#pointBytes / 16;
    // Fillers need not be on the curve, only to have different x, and y not zero: one limb of 1 or 2 and zeros.
    const coordinate = (this.#group.parts * kernels.cellBytes) / 8;
    for (let filler = 0; filler <= kernels.lanes; filler++) {
      this.#freshFillers[2 * coordinate * filler] = filler === kernels.lanes ? 2 : 1;
      this.#freshFillers[2 * coordinate * filler + coordinate] = 1;
    }
  }

  reference(slot: number): number {
    return this.firstReference + slot * this.referenceStep;
  }

  slotOf(reference: number): number {
    return ((reference & 0x7fff_ffff) - this.firstReference) / this.referenceStep;
  }

  isEmpty(slot: number): boolean {
    return this.stamps[slot] === 0;
  }

  /** All slots from `from` to `to` - 1 are empty. */
  clear(from: number, to: number): void {
    this.stamps.fill(0, from, to);
  }

  /** All slots are empty but `kept`, which stays as it is; and `now` stays small, however long this is used. */
  restart(kept: number): void {
    const held = this.stamps[kept] !== 0;
    this.stamps.fill(0);
    this.now = 2;
    if (held) this.stamps[kept] = 1;
  }

  /** slot += operand. Of one flush, all additions are to different slots, which hold points, copied to before or now. */
  add(slot: number, operand: number): void {
    this.stamps[slot] = this.now;
    this.targets[this.adds] = this.firstReference + slot * this.referenceStep;
    this.operands[this.adds++] = operand;
  }

  /** slot = operand. Copies come before all additions. */
  copy(slot: number, operand: number): void {
    this.stamps[slot] = this.now;
    this.#copyTargets[this.copies] = this.firstReference + slot * this.referenceStep;
    this.#copyOperands[this.copies++] = operand;
  }

  /** Does what is in the batch. */
  flush(): void {
    this.now++;
    if (this.copies > 0) {
      const n = this.#fill(this.#copyTargets, this.#copyOperands, this.copies);
      this.#functions.copy(this.#copyTargets.byteOffset, this.#copyOperands.byteOffset, n, this.#work);
      this.copies = 0;
    }
    if (this.adds > 0) {
      this.additions += this.adds;
      if (!this.#accumulate()) this.#takeOutExceptions();
      this.adds = 0;
    }
  }

  /** The slot's point is doubled, now. */
  double(slot: number): void {
    this.#doubled[0] = this.reference(slot);
    this.#doubleAll(1);
  }

  /** The point's coordinates as canonical words, 32 bytes a part, x then y. */
  write(slot: number, target: number): void {
    const { fq_gather, fq_write } = this.#kernels.exports;
    this.#doubled.fill(this.reference(slot), 0, LANES_MAX);
    for (let part = 0; part < 2 * this.#group.parts; part++) {
      fq_gather(this.#work, this.#doubled.byteOffset, part * this.#kernels.cellBytes);
      fq_write(target + 32 * part, 0, this.#work);
    }
  }

  /** Pads to whole packs; the fillers' own points are made anew, as they change with every use. */
  #fill(targets: Uint32Array, operands: Uint32Array | undefined, n: number): number {
    const { lanes } = this.#kernels;
    if (n % lanes === 0) return n;
    this.#fillers.set(this.#freshFillers);
    let filled = n;
    for (let filler = 0; filled % lanes !== 0; filler++) {
      targets[filled] = referenceTo(this.#fillers.byteOffset + filler * this.#pointBytes);
      if (operands) operands[filled] = referenceTo(this.#fillers.byteOffset + lanes * this.#pointBytes);
      filled++;
    }
    return filled;
  }

  /** False when the batch has pairs of equal x; then nothing is done. */
  #accumulate(): boolean {
    const n = this.#fill(this.targets, this.operands, this.adds);
    return this.#functions.accumulate(this.targets.byteOffset, this.operands.byteOffset, n, this.#work) === 0;
  }

  #doubleAll(n: number): void {
    const filled = this.#fill(this.#doubled, undefined, n);
    if (this.#functions.double(this.#doubled.byteOffset, filled, this.#work) !== 0) {
      throw new ZkraftError('zkey_invalid', 'the zkey has a point outside its group: one of order two', {
        field: 'zkey',
      });
    }
  }

  #takeOutExceptions(): void {
    const { lanes } = this.#kernels;
    const [targets, operands, equal] = [this.targets, this.operands, this.#equal];
    const n = this.adds;
    let kept = 0;
    let doubled = 0;
    for (let i = 0; i < n; i += lanes) {
      this.#compare(i, 'x', 0);
      this.#compare(i, 'y', LANES_MAX);
      for (let lane = 0; lane < lanes && i + lane < n; lane++) {
        const target = targets[i + lane] as number;
        if (equal[lane] === 0) {
          targets[kept] = target;
          operands[kept++] = operands[i + lane] as number;
        } else if (equal[LANES_MAX + lane] !== 0) {
          this.#doubled[doubled++] = target;
        } else {
          this.stamps[this.slotOf(target)] = 0;
        }
      }
    }
    this.adds = kept;
    if (kept > 0 && !this.#accumulate()) throw new Error('a batch without pairs of equal x was refused');
    if (doubled > 0) this.#doubleAll(doubled);
  }

  /** Which lanes' targets and operands have the same coordinate, into `equal` from `to` on. */
  #compare(i: number, coordinate: 'x' | 'y', to: number): void {
    const { exports, lanes, packBytes, cellBytes } = this.#kernels;
    const { parts } = this.#group;
    const [a, b] = [this.#work, this.#work + packBytes];
    const words = this.#work + 2 * packBytes;
    const gather = coordinate === 'x' ? exports.fq_gather : exports.fq_gather_signed;
    this.#equal.fill(1, to, to + lanes);
    for (let part = 0; part < parts; part++) {
      const offset = ((coordinate === 'x' ? 0 : parts) + part) * cellBytes;
      exports.fq_gather(a, this.targets.byteOffset + 4 * i, offset);
      gather(b, this.operands.byteOffset + 4 * i, offset);
      exports.fq_sub(a, a, b);
      exports.fq_write(words, 32, a);
      for (let lane = 0; lane < lanes; lane++) {
        const first = (2 * packBytes + 32 * lane) / 4;
        let bits = 0;
        for (let word = 0; word < 8; word++) bits |= this.#workWords[first + word] as number;
        if (bits !== 0) this.#equal[to + lane] = 0;
      }
    }
  }
}
