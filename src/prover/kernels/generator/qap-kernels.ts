/**
 * Sparse rows times a witness: what becomes of a proving key's coefficients.
 *
 * A program is a list of groups, each of one row a lane, in 32-bit words (L lanes):
 *   products, units    how many terms of either kind each lane has; padded with references to a cell of zero
 *   L targets          where each lane's sum goes, in units of 8 bytes: a pack's address plus its lane's
 *   products x (L references to wires, L to coefficients)      wire times coefficient
 *   units x (L references to wires, sign in bit 31)            plus or minus the wire
 * References are to cells, in units of 16 bytes, as `gather` takes them.
 */
import { FIELD_CELL_STRIDE } from '../layout-constants.ts';
import { get, plus, type Sizes, step } from './control.ts';
import { type ConstantPool, kernelFunction, type Target } from './wat.ts';

export interface QapOptions {
  readonly target: Target;
  readonly pool: ConstantPool;
  readonly sizes: Sizes;
}

export function qapKernels({ target, pool, sizes }: QapOptions): string[] {
  const { packBytes, lanes } = sizes;
  const call = (name: string, ...args: readonly string[]): string => `(call $fr_${name} ${args.join(' ')})`;
  const sum = get('work');
  const [term, coefficient] = [plus(get('work'), packBytes), plus(get('work'), 2 * packBytes)];
  const p = get('program');
  const product = (z: string): string => `${call('gather', term, p, get('wires'))}
      ${call('gather', coefficient, plus(p, 4 * lanes), get('coefficients'))}
      ${call('mul', z, term, coefficient)}
      ${step('program', 8 * lanes)}`;
  const unit = (z: string): string => `${call('gather_signed', z, p, get('wires'))}
      ${step('program', 4 * lanes)}`;
  const loop = (label: string, body: string): string => `(block $${label}_done (loop $${label}
      (br_if $${label}_done (i32.eqz ${get(label)}))
      ${body}
      ${call('add', sum, sum, term)}
      ${step(label, -1)}
      (br $${label})))`;
  const parameters = ['program', 'groups', 'wires', 'coefficients', 'target', 'work'];

  return [
    // Lane l to the eight-byte places at base + 8 reference, limbs a pack's distance apart.
    kernelFunction('fr_put', ['list', 'base', 'x'], target, pool, (ir) => {
      for (let i = 0; i < packBytes / (8 * lanes); i++) {
        const limb = ir.loadWord('x', 16 * i);
        for (const which of [0, 1] as const) {
          const reference = `(i32.load (i32.add (local.get $list) (i32.const {lane+${which}*4})))`;
          const address = `(i32.add (i32.shl ${reference} (i32.const 3)) (local.get $base))`;
          ir.effect(`(v128.store64_lane offset=${8 * lanes * i} ${which} ${address} {0})`, limb);
        }
      }
    }),
    `(func $fr_cells_n (export "fr_cells_n")
  (param $z i32) (param $source i32) (param $factor i32) (param $n i32) (param $work i32)
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('n')}))
    ${call('read', get('work'), get('source'), '(i32.const 32)', get('factor'))}
    ${call('spread', get('z'), get('work'))}
    ${step('z', lanes * FIELD_CELL_STRIDE)} ${step('source', lanes * 32)} ${step('n', -1)}
    (br $next))))`,
    `(func $fr_qap_rows (export "fr_qap_rows") ${parameters.map((name) => `(param $${name} i32)`).join(' ')}
  (local $products i32) (local $units i32) (local $targets i32)
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('groups')}))
    (local.set $products (i32.load ${p}))
    (local.set $units (i32.load offset=4 ${p}))
    (local.set $targets ${plus(p, 8)})
    ${step('program', 8 + 4 * lanes)}
    (if ${get('products')}
      (then ${product(sum)} ${step('products', -1)})
      (else ${unit(sum)} ${step('units', -1)}))
    ${loop('products', product(term))}
    ${loop('units', unit(term))}
    ${call('put', get('targets'), get('target'), sum)}
    ${step('groups', -1)}
    (br $next))))`,
  ];
}
