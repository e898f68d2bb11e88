/** Puts one tier's module together: fields, curves, constants, one imported memory that all instances share. */
import binaryen from 'binaryen';
import { Q, R } from '../../../common/index.ts';
import { ELEMENTS, ELEMENTS_AT, type ElementName, elementAddress, NIBBLES_AT } from '../layout-constants.ts';
import { inverseModulo, type Representation } from './arithmetic.ts';
import { copyFunction, fermatInverse, loopOver, quadraticCells, quadraticInverse, type Sizes } from './control.ts';
import { type FieldOptions, primeFieldKernels, quadraticFieldKernels } from './field-kernels.ts';
import { fmaRepresentation } from './fma-arithmetic.ts';
import { hashKernels } from './hash-kernels.ts';
import { intRepresentation } from './int-arithmetic.ts';
import { inverseOfAllLanes, laneSwaps, wordInversion } from './inversion.ts';
import { nttKernels } from './ntt-kernels.ts';
import { pairingFunctions } from './pairing-control.ts';
import { pointFunctions } from './point-batches.ts';
import { fusedPointKernels } from './point-kernels.ts';
import { poseidonKernels } from './poseidon-kernels.ts';
import { qapKernels } from './qap-kernels.ts';
import { type ConstantMode, ConstantPool, type Lanes } from './wat.ts';
import { wordKernels } from './word-kernels.ts';

export type ModuleOptions = {
  readonly lanes: Lanes;
  readonly constants: ConstantMode;
} & (
  | {
      readonly arithmetic: 'fma';
      /** Two products to a high part: fewer operations, a longer chain. */
      readonly chain: boolean;
    }
  | { readonly arithmetic: 'int' }
);

/** Memory of 4 GiB at most, of which only what is grown to is used. */
const PAGES_MAX = 65_536;

const escaped = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

export function generateModule(options: ModuleOptions): { readonly text: string; readonly binary: Uint8Array } {
  if (options.arithmetic === 'int') return assemble(options, intRepresentation, []);
  // On four lanes V8 joins halves only where loads are plain: no steps that gather as they go.
  const fused = options.lanes === 2;
  const steps = (pool: ConstantPool): string[] =>
    (['g1', 'g2'] as const).flatMap((curve, i) =>
      fusedPointKernels({ curve, parts: i === 0 ? 1 : 2, modulus: Q, target: options, pool, chain: options.chain }),
    );
  return assemble(options, fmaRepresentation(options), fused ? [steps] : []);
}

/** `steps`: of point additions, where the representation has such that read points in place. */
function assemble<E>(
  target: ModuleOptions,
  representation: Representation<E>,
  steps: readonly ((pool: ConstantPool) => string[])[],
): { readonly text: string; readonly binary: Uint8Array } {
  const { lanes } = target;
  const pool = new ConstantPool(lanes);
  const sizes: Sizes = {
    packBytes: (representation.pairBytes * lanes) / 2,
    cellBytes: representation.cellBytes,
    lanes,
  };
  const field = (name: string, modulus: bigint): FieldOptions<E> => ({ name, modulus, representation, target, pool });
  const one = (name: ElementName): number => elementAddress(name, sizes.packBytes);
  const functions = [
    ...primeFieldKernels(field('fq', Q)),
    ...primeFieldKernels(field('fr', R)),
    ...quadraticFieldKernels(field('fq2', Q)),
    ...['fq', 'fr'].flatMap((name, i) => [
      copyFunction(name, sizes.packBytes),
      fermatInverse(name, NIBBLES_AT + 64 * i, sizes),
      loopOver(`${name}_mul`, ['z', 'x', 'y'], sizes.packBytes),
    ]),
    ...poseidonKernels(field('fr', R)),
    ...wordKernels(),
    ...hashKernels({ ...field('fr', R), sizes }),
    copyFunction('fq2', 2 * sizes.packBytes),
    quadraticCells('fq2', 'fq', sizes),
    quadraticInverse('fq2', 'fq', sizes),
    wordInversion('fq', Q),
    laneSwaps('fq', sizes),
    inverseOfAllLanes('fq', one('fq_plain'), sizes),
    ...steps.flatMap((make) => make(pool)),
    pointFunctions({ name: 'g1', field: 'fq', parts: 1, one: one('fq_one'), sizes, fused: steps.length > 0 }),
    pointFunctions({ name: 'g2', field: 'fq2', parts: 2, one: one('fq2_one'), sizes, fused: steps.length > 0 }),
    ...nttKernels({ ...field('fr', R), sizes }),
    ...qapKernels({ target, pool, sizes }),
    // Of two lanes only: an element of Fq2 is one pack.
    ...(lanes === 2 ? pairingFunctions(field('fq', Q)) : []),
  ];
  const exported = functions
    .flatMap((text) => [...text.matchAll(/\(func \$(\w+)(?! \(export)/g)].map((match) => match[1] as string))
    .filter((name) =>
      /^f[qr]2?_(mul|sqr|add|sub|neg|reduce|triple|mulsub|mulsubsub|sqrsub2|read|write|gather|gather_signed|scatter|ntt_row|spread)$/.test(
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
(data (i32.const ${ELEMENTS_AT}) "${escaped(elementBytes(sizes, representation))}")
(data (i32.const ${NIBBLES_AT}) "${[Q, R].map((p) => nibbles(p - 2n)).join('')}")
)`;
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  if (!module.validate()) throw new Error('binaryen finds the module invalid');
  const binary = module.emitBinary();
  module.dispose();
  return { text, binary };
}

const nibbles = (exponent: bigint): string =>
  Array.from(exponent.toString(16).padStart(64, '0'), (digit) => `\\0${digit}`).join('');

function elementBytes<E>(sizes: Sizes, { montgomeryR, pattern }: Representation<E>): Uint8Array {
  const snarkjsForm = 1n << 256n;
  const values: Record<ElementName, bigint> = {
    fq_one: montgomeryR,
    fq2_one: montgomeryR,
    fr_one: montgomeryR,
    fq_plain: montgomeryR ** 2n,
    fr_plain: montgomeryR ** 2n,
    fq_snarkjs: montgomeryR ** 2n * inverseModulo(snarkjsForm, Q),
    fr_snarkjs: montgomeryR ** 2n * inverseModulo(snarkjsForm, R),
  };
  const bytes = new Uint8Array(ELEMENTS.length * 2 * sizes.packBytes);
  const view = new DataView(bytes.buffer);
  ELEMENTS.forEach((name, i) => {
    pattern(values[name], name.startsWith('fq') ? Q : R).forEach((limb, j) => {
      for (let lane = 0; lane < sizes.lanes; lane++) {
        view.setBigUint64(2 * i * sizes.packBytes + (j * sizes.lanes + lane) * 8, limb, true);
      }
    });
  });
  return bytes;
}
