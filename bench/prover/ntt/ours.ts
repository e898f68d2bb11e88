/**
 * Our side of `bench ntt`: the transform in place, as a proof uses it, on one thread. It leaves its values in bit-reversed
 * order and goes around the circle the other way, which a proof has no need to undo: writing the outcome down does.
 */
import { SCALAR_BYTES } from '../../../src/prover/formats/index.ts';
import {
  arrayBytes,
  DOMAIN_WORK_PACKS,
  inverseTransform,
  layOutDomain,
  placeOf,
  reversedBits,
  transformWorkPacks,
  writeDomain,
} from '../../../src/prover/wasm/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { openKernels } from '../kernels.ts';
import { readCoefficients, valuesText } from './instance.ts';

export async function makeOurs(order: ContenderOrder): Promise<Contender> {
  const coefficients = await readCoefficients(order);
  const size = coefficients.length / SCALAR_BYTES;
  const { name, tier, kernels, take } = await openKernels();
  const { exports, packBytes, lanes } = kernels;
  const domainAt = take(layOutDomain(kernels, size, 0).bytes);
  const { domain } = layOutDomain(kernels, size, domainAt);
  const work = take(Math.max(DOMAIN_WORK_PACKS, transformWorkPacks(lanes), 4) * packBytes);
  const bytes = arrayBytes(domain);
  const [given, array] = [take(bytes), take(bytes)];
  const words = take(SCALAR_BYTES * lanes);
  writeDomain(kernels, domain, work);
  const memory = new Uint8Array(kernels.memory.buffer);
  const [element, other] = [work, work + packBytes];

  for (let i = 0; i < size; i++) {
    memory.set(coefficients.subarray(i * SCALAR_BYTES, (i + 1) * SCALAR_BYTES), words);
    exports.fr_read(element, words, 0, kernels.element('fr_snarkjs'));
    const lane = given + placeOf(domain, i);
    for (let limb = 0; limb < packBytes; limb += 8 * lanes) {
      memory.copyWithin(lane + limb, element + limb, element + limb + 8);
    }
  }
  return {
    name,
    tier,
    run: async (_, operations) => {
      for (let i = 0; i < operations; i++) {
        memory.copyWithin(array, given, given + bytes);
        inverseTransform(kernels, domain, array, work);
      }
      return undefined;
    },
    result: async () => {
      const out = new Uint8Array(coefficients.length);
      const bits = Math.log2(size);
      for (let place = 0; place < size; place++) {
        const at = placeOf(domain, place);
        const pack = array + at - (at % packBytes);
        // A product by one and a sum with zero bring the element into the range that writing takes.
        memory.copyWithin(element, pack, pack + packBytes);
        memory.copyWithin(other, kernels.element('fr_one'), kernels.element('fr_one') + packBytes);
        exports.fr_ntt_scale_row(element, other, kernels.element('fr_one'), 1);
        memory.fill(0, other, other + packBytes);
        exports.fr_ntt_sum_row_tight(element, other, 1);
        // Out of our form into snarkjs's, which is 2^256 times the value: read as plain, times 2^256.
        exports.fr_write(words, SCALAR_BYTES, element);
        const lane = (at % packBytes) / 8;
        const value = memory.slice(words + lane * SCALAR_BYTES, words + (lane + 1) * SCALAR_BYTES);
        const index = (size - reversedBits(place, bits)) % size;
        out.set(toSnarkjs(value), index * SCALAR_BYTES);
      }
      return valuesText(out);
    },
    close: async () => {},
  };
}

const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

function toSnarkjs(plain: Uint8Array): Uint8Array {
  const value = (BigInt(`0x${Buffer.from(plain).reverse().toString('hex')}`) << 256n) % R;
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
}
