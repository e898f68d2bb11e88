/**
 * The baseline of `bench field`: `f1m_mul` and `g1m_addMixed` of wasmcurves (GPL-3.0), the kernels under snarkjs.
 *
 * The module is built as ffjavascript builds it, with a loop around each kernel put in, so that a sample is one call.
 * wasmcurves and its module builder are found from snarkjs: they are the ones that it runs on.
 */
import { createRequire } from 'node:module';
import { invariant } from '../../../src/common/index.ts';
import { SCALAR_BYTES } from '../../../src/prover/formats/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { snarkjsFile, versionOf } from '../snarkjs-curve.ts';
import { type FieldInstance, fieldInstance, outcomeText } from './instance.ts';

/** wasmbuilder's instructions are arrays of bytes. */
type Code = readonly number[];

interface CodeBuilder {
  block(...code: Code[]): Code;
  loop(...code: Code[]): Code;
  br(depth: number): Code;
  br_if(depth: number, condition: Code): Code;
  call(name: string, ...args: Code[]): Code;
  getLocal(name: string): Code;
  setLocal(name: string, value: Code): Code;
  i32_const(value: number): Code;
  i32_add(a: Code, b: Code): Code;
  i32_sub(a: Code, b: Code): Code;
  i32_eqz(a: Code): Code;
}

interface FunctionBuilder {
  addParam(name: string, type: 'i32'): void;
  addLocal(name: string, type: 'i32'): void;
  getCodeBuilder(): CodeBuilder;
  addCode(...code: Code[]): void;
}

interface ModuleBuilder {
  setMemory(pages: number): void;
  addFunction(name: string): FunctionBuilder;
  exportFunction(name: string): void;
  build(): Uint8Array<ArrayBuffer>;
}

/** Where x, y and z lie: above everything that wasmcurves keeps, apart and not on the same cache sets. */
const X_AT = 0x100000;
const Y_AT = 0x130000 + 0x1080;
const Z_AT = 0x160000 + 0x2100;
const MEMORY_PAGES = 32;

const AFFINE_BYTES = 2 * SCALAR_BYTES;
const JACOBIAN_BYTES = 3 * SCALAR_BYTES;

type Kernel = (...args: number[]) => void;

/** The kernel of an operation, and the bytes of one x, y and z in memory. */
const KERNELS = {
  'fq-mul': { kernel: 'f1m_mul', x: SCALAR_BYTES, y: SCALAR_BYTES, z: SCALAR_BYTES },
  'g1-add': { kernel: 'g1m_addMixed', x: JACOBIAN_BYTES, y: AFFINE_BYTES, z: JACOBIAN_BYTES },
} as const;

export async function makeWasmcurves(order: ContenderOrder): Promise<Contender> {
  const instance = fieldInstance(order.params.operation);
  const { kernels, bytes, version } = await load(instance.operation);
  const place = instance.operation === 'fq-mul' ? placeNumbers : placePoints;
  place(instance, kernels, bytes);
  const loop = kernel(kernels, 'bench_loop');
  return {
    name: `wasmcurves ${version} (${KERNELS[instance.operation].kernel})`,
    grain: instance.count,
    run: async (_, operations) => {
      loop(X_AT, Y_AT, Z_AT, instance.count, operations / instance.count);
      return undefined;
    },
    result: async () => outcomeText(outcome(instance, kernels, bytes)),
    close: async () => {},
  };
}

async function load(operation: FieldInstance['operation']) {
  const require = createRequire(createRequire(snarkjsFile()).resolve('ffjavascript'));
  const { buildBn128 } = require('wasmcurves') as { buildBn128(module: ModuleBuilder): void };
  const { ModuleBuilder } = require('wasmbuilder') as { ModuleBuilder: new () => ModuleBuilder };
  const module = new ModuleBuilder();
  module.setMemory(MEMORY_PAGES);
  buildBn128(module);
  addLoop(module, operation);
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.build()), { env: { memory } });
  const bytes = new Uint8Array(memory.buffer);
  const [kept = 0] = new Uint32Array(memory.buffer, 0, 1);
  invariant(kept > 0 && kept < X_AT, 'what wasmcurves keeps in memory ends below the arrays');
  return { kernels: exports, bytes, version: versionOf(require.resolve('wasmcurves')) };
}

/** `reps` times: for i below n, z_i = kernel(x_i, y_i). */
function addLoop(module: ModuleBuilder, operation: FieldInstance['operation']): void {
  const { kernel: name, ...strides } = KERNELS[operation];
  const f = module.addFunction('bench_loop');
  for (const param of ['x', 'y', 'z', 'n', 'reps']) f.addParam(param, 'i32');
  for (const local of ['px', 'py', 'pz', 'i']) f.addLocal(local, 'i32');
  const c = f.getCodeBuilder();
  const start = (pointer: string, from: string): Code => c.setLocal(pointer, c.getLocal(from));
  const step = (pointer: string, by: number): Code =>
    c.setLocal(pointer, c.i32_add(c.getLocal(pointer), c.i32_const(by)));
  /** Leaves the block around the loop when the counter has come down to zero. */
  const countDown = (counter: string): Code => [
    ...c.setLocal(counter, c.i32_sub(c.getLocal(counter), c.i32_const(1))),
    ...c.br_if(1, c.i32_eqz(c.getLocal(counter))),
    ...c.br(0),
  ];
  const row = c.block(
    c.loop(
      c.call(name, c.getLocal('px'), c.getLocal('py'), c.getLocal('pz')),
      step('px', strides.x),
      step('py', strides.y),
      step('pz', strides.z),
      countDown('i'),
    ),
  );
  f.addCode(
    c.block(c.loop(start('px', 'x'), start('py', 'y'), start('pz', 'z'), start('i', 'n'), row, countDown('reps'))),
  );
  module.exportFunction('bench_loop');
}

function kernel(kernels: Record<string, unknown>, name: string): Kernel {
  const found = kernels[name];
  invariant(typeof found === 'function', `wasmcurves exports ${name}`);
  return found as Kernel;
}

function placeNumbers({ x, y }: FieldInstance, kernels: Record<string, unknown>, bytes: Uint8Array): void {
  const toMontgomery = kernel(kernels, 'f1m_toMontgomery');
  bytes.set(x, X_AT);
  bytes.set(y, Y_AT);
  for (let at = 0; at < x.length; at += SCALAR_BYTES) {
    toMontgomery(X_AT + at, X_AT + at);
    toMontgomery(Y_AT + at, Y_AT + at);
  }
}

/** x becomes Jacobian with Z = 2: with Z = 1 the mixed addition would take a shorter way. */
function placePoints({ x, y, count }: FieldInstance, kernels: Record<string, unknown>, bytes: Uint8Array): void {
  const toMontgomery = kernel(kernels, 'f1m_toMontgomery');
  const double = kernel(kernels, 'f1m_add');
  for (let i = 0; i < count; i++) {
    const [X, Y, Z] = [0, 1, 2].map((k) => X_AT + i * JACOBIAN_BYTES + k * SCALAR_BYTES) as [number, number, number];
    bytes.set(x.subarray(i * AFFINE_BYTES, (i + 1) * AFFINE_BYTES), X);
    bytes[Z] = 2;
    for (const at of [X, Y, Z]) toMontgomery(at, at);
    // x Z^2 = 4 x and y Z^3 = 8 y.
    for (const at of [X, X, Y, Y, Y]) double(at, at, at);
  }
  bytes.set(y, Y_AT);
  for (let at = 0; at < y.length; at += SCALAR_BYTES) toMontgomery(Y_AT + at, Y_AT + at);
}

/** All z in plain form, points made affine. */
function outcome(
  { operation, x, count }: FieldInstance,
  kernels: Record<string, unknown>,
  bytes: Uint8Array,
): Uint8Array {
  const fromMontgomery = kernel(kernels, 'f1m_fromMontgomery');
  const toAffine = kernel(kernels, 'g1m_toAffine');
  const scratch = Z_AT + count * JACOBIAN_BYTES;
  const out = new Uint8Array(x.length);
  const size = x.length / count;
  for (let i = 0; i < count; i++) {
    const at = Z_AT + i * KERNELS[operation].z;
    if (operation === 'g1-add') toAffine(at, scratch);
    else bytes.copyWithin(scratch, at, at + SCALAR_BYTES);
    for (let k = 0; k < size; k += SCALAR_BYTES) fromMontgomery(scratch + k, scratch + k);
    out.set(bytes.subarray(scratch, scratch + size), i * size);
  }
  return out;
}
