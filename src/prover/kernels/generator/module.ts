/** Puts one tier's module together: fields, curves, constants, one imported memory that all instances share. */
import binaryen from 'binaryen';
import { Q, R } from '../../../common/index.ts';
import { ELEMENTS, ELEMENTS_AT, type ElementName, elementAddress, NIBBLES_AT } from '../layout-constants.ts';
import {
  anyLaneZero,
  copyFunction,
  fermatInverse,
  loopOver,
  pointFunctions,
  quadraticCells,
  quadraticInverse,
  type Sizes,
} from './control.ts';
import { CELL_BYTES, type FieldKernelOptions, primeFieldKernels, quadraticFieldKernels } from './field-kernels.ts';
import { balancedLimbs, LIMBS, MONTGOMERY_R, modulo } from './fma-arithmetic.ts';
import { bitsOf } from './ir.ts';
import { pairingFunctions } from './pairing-control.ts';
import { type ConstantMode, ConstantPool, type Lanes } from './wat.ts';

export interface ModuleOptions {
  readonly lanes: Lanes;
  readonly constants: ConstantMode;
  /** Two products to a high part: fewer operations, a longer chain. */
  readonly chain: boolean;
}

/** Memory of 4 GiB at most, of which only what is grown to is used. */
const PAGES_MAX = 65_536;

const escaped = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

export function generateModule(options: ModuleOptions): { readonly text: string; readonly binary: Uint8Array } {
  const { lanes } = options;
  const pool = new ConstantPool(lanes);
  const sizes: Sizes = { packBytes: 8 * LIMBS * lanes, cellBytes: CELL_BYTES, lanes };
  const field = (name: string, modulus: bigint): FieldKernelOptions => ({
    name,
    modulus,
    target: options,
    pool,
    chain: options.chain,
  });
  const one = (name: ElementName): number => elementAddress(name, sizes.packBytes);
  const functions = [
    ...primeFieldKernels(field('fq', Q)),
    ...primeFieldKernels(field('fr', R)),
    ...quadraticFieldKernels(field('fq2', Q)),
    ...['fq', 'fr'].flatMap((name, i) => [
      copyFunction(name, sizes.packBytes),
      fermatInverse(name, NIBBLES_AT + 64 * i, sizes),
      ...vectorLoops(name, sizes.packBytes),
      loopOver(`${name}_dif`, ['x', 'y', 'w'], sizes.packBytes),
      loopOver(`${name}_dit`, ['x', 'y', 'w'], sizes.packBytes),
    ]),
    copyFunction('fq2', 2 * sizes.packBytes),
    quadraticCells('fq2', 'fq', sizes),
    quadraticInverse('fq2', 'fq', sizes),
    ...vectorLoops('fq2', 2 * sizes.packBytes),
    anyLaneZero('fq', 'fq', 1, sizes),
    anyLaneZero('fq2', 'fq', 2, sizes),
    pointFunctions({ name: 'g1', field: 'fq', parts: 1, one: one('fq_one'), sizes }),
    pointFunctions({ name: 'g2', field: 'fq2', parts: 2, one: one('fq2_one'), sizes }),
    // Of two lanes only: an element of Fq2 is one pack.
    ...(lanes === 2 ? pairingFunctions(field('fq', Q)) : []),
  ];
  const exported = functions
    .flatMap((text) => [...text.matchAll(/\(func \$(\w+)(?! \(export)/g)].map((match) => match[1] as string))
    .filter((name) =>
      /^f[qr]2?_(mul|sqr|add|sub|neg|reduce|triple|mulsub|mulsubsub|sqrsub2|dif|dit|read|write|gather|gather_signed|scatter)$/.test(
        name,
      ),
    )
    .map((name) => `(export "${name}" (func $${name}))`);
  if (pool.size > ELEMENTS_AT) throw new Error(`the constants take ${pool.size} bytes, more than ${ELEMENTS_AT}`);
  const text = `(module
(import "env" "memory" (memory 1 ${PAGES_MAX} shared))
${functions.join('\n')}
${exported.join('\n')}
${pool.size > 0 ? `(data (i32.const 0) "${pool.data}")` : ''}
(data (i32.const ${ELEMENTS_AT}) "${escaped(elementBytes(sizes))}")
(data (i32.const ${NIBBLES_AT}) "${[Q, R].map((p) => nibbles(p - 2n)).join('')}")
)`;
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  if (!module.validate()) throw new Error('binaryen finds the module invalid');
  const binary = module.emitBinary();
  module.dispose();
  return { text, binary };
}

function vectorLoops(name: string, bytes: number): string[] {
  return [
    loopOver(`${name}_mul`, ['z', 'x', 'y'], bytes),
    loopOver(`${name}_sqr`, ['z', 'x'], bytes),
    loopOver(`${name}_add`, ['z', 'x', 'y'], bytes),
    loopOver(`${name}_sub`, ['z', 'x', 'y'], bytes),
  ];
}

const nibbles = (exponent: bigint): string =>
  Array.from(exponent.toString(16).padStart(64, '0'), (digit) => `\\0${digit}`).join('');

function elementBytes(sizes: Sizes): Uint8Array {
  const snarkjsForm = 1n << 256n;
  const values: Record<ElementName, bigint> = {
    fq_one: MONTGOMERY_R,
    fq2_one: MONTGOMERY_R,
    fr_one: MONTGOMERY_R,
    fq_plain: MONTGOMERY_R ** 2n,
    fr_plain: MONTGOMERY_R ** 2n,
    fq_snarkjs: MONTGOMERY_R ** 2n * inverse(snarkjsForm, Q),
    fr_snarkjs: MONTGOMERY_R ** 2n * inverse(snarkjsForm, R),
  };
  const bytes = new Uint8Array(ELEMENTS.length * 2 * sizes.packBytes);
  const view = new DataView(bytes.buffer);
  ELEMENTS.forEach((name, i) => {
    const p = name.startsWith('fq') ? Q : R;
    const rest = modulo(values[name], p);
    balancedLimbs(rest > p / 2n ? rest - p : rest).forEach((limb, j) => {
      for (let lane = 0; lane < sizes.lanes; lane++) {
        view.setBigUint64(2 * i * sizes.packBytes + (j * sizes.lanes + lane) * 8, bitsOf(Number(limb)), true);
      }
    });
  });
  return bytes;
}

function inverse(x: bigint, p: bigint): bigint {
  let [result, base, e] = [1n, x % p, p - 2n];
  for (; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * base) % p;
    base = (base * base) % p;
  }
  return result;
}
