/** Our side of `bench field`: products of whole packs, and batched-affine additions, in loops inside WebAssembly. */
import { SCALAR_BYTES } from '../../../src/prover/formats/index.ts';
import { POINT_SCRATCH_PACKS } from '../../../src/prover/kernels/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { type BenchKernels, openKernels } from '../kernels.ts';
import { type FieldInstance, fieldInstance, outcomeText } from './instance.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const instance = fieldInstance(order.params.operation);
  const opened = await openKernels();
  return instance.operation === 'fq-mul' ? products(instance, opened) : additions(instance, opened);
}

function products({ x, y, count }: FieldInstance, { name, tier, kernels, take }: BenchKernels): Contender {
  const { exports, lanes, packBytes, memory } = kernels;
  const packs = count / lanes;
  // Not on the same cache sets.
  const [xAt, yAt, zAt] = [0, 1, 2].map((i) => take(packs * packBytes + 4096 + 192 * i)) as [number, number, number];
  const words = take(lanes * SCALAR_BYTES);
  for (const [values, at] of [
    [x, xAt],
    [y, yAt],
  ] as const) {
    for (let pack = 0; pack < packs; pack++) {
      const from = pack * lanes * SCALAR_BYTES;
      new Uint8Array(memory.buffer).set(values.subarray(from, from + lanes * SCALAR_BYTES), words);
      exports.fq_read(at + pack * packBytes, words, SCALAR_BYTES, kernels.element('fq_plain'));
    }
  }
  return {
    name: `${name} fq_mul`,
    tier,
    grain: count,
    run: async (_, operations) => {
      for (let done = 0; done < operations; done += count) exports.fq_mul_n(zAt, xAt, yAt, packs);
      return undefined;
    },
    result: async () => {
      const out = new Uint8Array(x.length);
      for (let pack = 0; pack < packs; pack++) {
        exports.fq_write(words, SCALAR_BYTES, zAt + pack * packBytes);
        out.set(new Uint8Array(memory.buffer, words, lanes * SCALAR_BYTES), pack * lanes * SCALAR_BYTES);
      }
      return outcomeText(out);
    },
    close: async () => {},
  };
}

/** Targets gain their operands again and again; the outcome is that of doing so once. */
function additions({ x, y, count }: FieldInstance, { name, tier, kernels, take }: BenchKernels): Contender {
  const { exports, lanes, packBytes, cellBytes, memory } = kernels;
  const pointBytes = 2 * cellBytes;
  const [xAt, yAt] = [take(count * pointBytes), take(count * pointBytes)];
  const [targets, operands] = [take(4 * count), take(4 * count)];
  const work = take((POINT_SCRATCH_PACKS + 2 * (count / lanes) + 2) * packBytes);
  const [pack, words] = [take(packBytes), take(lanes * SCALAR_BYTES)];
  const bytes = new Uint8Array(memory.buffer);
  const list = (at: number, points: number): void => {
    const references = new Uint32Array(memory.buffer, at, count);
    for (let i = 0; i < count; i++) references[i] = (points + i * pointBytes) / 16;
  };
  list(targets, xAt);
  list(operands, yAt);
  const place = (points: Uint8Array, at: number): void => {
    for (let first = 0; first < count; first += lanes) {
      for (const coordinate of [0, 1]) {
        for (let lane = 0; lane < lanes; lane++) {
          const from = (2 * (first + lane) + coordinate) * SCALAR_BYTES;
          bytes.set(points.subarray(from, from + SCALAR_BYTES), words + lane * SCALAR_BYTES);
        }
        exports.fq_read(pack, words, SCALAR_BYTES, kernels.element('fq_plain'));
        exports.fq_scatter(at + 4 * first, coordinate * cellBytes, pack);
      }
    }
  };
  place(x, targets);
  place(y, operands);
  return {
    name: `${name} g1_accumulate`,
    tier,
    grain: count,
    run: async (_, operations) => {
      for (let done = 0; done < operations; done += count) exports.g1_accumulate(targets, operands, count, work);
      return undefined;
    },
    result: async () => {
      place(x, targets);
      exports.g1_accumulate(targets, operands, count, work);
      const out = new Uint8Array(x.length);
      for (let first = 0; first < count; first += lanes) {
        for (const coordinate of [0, 1]) {
          exports.fq_gather(pack, targets + 4 * first, coordinate * cellBytes);
          exports.fq_write(words, SCALAR_BYTES, pack);
          for (let lane = 0; lane < lanes; lane++) {
            const to = (2 * (first + lane) + coordinate) * SCALAR_BYTES;
            out.set(bytes.subarray(words + lane * SCALAR_BYTES, words + (lane + 1) * SCALAR_BYTES), to);
          }
        }
      }
      return outcomeText(out);
    },
    close: async () => {},
  };
}
