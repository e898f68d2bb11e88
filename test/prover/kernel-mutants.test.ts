/**
 * The tests of kernels can fail: every kernel in which a carry is left out, or a bias or a multiple of p is off by one,
 * is found out by the operands that `npm run fuzz:kernels` tries.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import binaryen from 'binaryen';
import { Q } from '../../src/common/index.ts';
import { primeFieldKernels } from '../../src/prover/kernels/generator/field-kernels.ts';
import { fmaRepresentation } from '../../src/prover/kernels/generator/fma-arithmetic.ts';
import { intRepresentation } from '../../src/prover/kernels/generator/int-arithmetic.ts';
import { ConstantPool, type Target } from '../../src/prover/kernels/generator/wat.ts';
import type { Kernels } from '../../src/prover/kernels/index.ts';
import { fuzzKernels } from '../support/kernel-bed.ts';
import { IS_FUSED, type KernelName, testKernels } from '../support/kernels.ts';

const CASES = 2_000;
const NOTHING = '(v128.const i64x2 0x0 0x0)';
/** 2^-51, by which a carry is counted in digits of the next limb. */
const DIGITS = '0x3cc0000000000000';
const TARGET: Target = { lanes: 2, constants: 'locals' };

const REPRESENTATIONS: Partial<Record<KernelName, (pool: ConstantPool) => string[]>> = {
  'fma2-locals': (pool) =>
    primeFieldKernels({
      name: 'fq',
      modulus: Q,
      representation: fmaRepresentation({ chain: false }),
      target: TARGET,
      pool,
    }),
  'int2-memory': (pool) =>
    primeFieldKernels({ name: 'fq', modulus: Q, representation: intRepresentation, target: TARGET, pool }),
};

const KERNELS = [
  ['mul', 'in a product'],
  ['sqr', 'in a square'],
  ['add', 'in a sum'],
  ['sub', 'in a difference'],
  ['mulsub', 'in a product by a difference'],
] as const;

interface Mutant {
  readonly what: string;
  readonly lines: readonly string[];
}

/** `lines`: of the function, an instruction a line. */
function mutantsOf(lines: readonly string[]): Mutant[] {
  const constants = new Map<string, string>();
  for (const line of lines) {
    const found = /\(local\.set \$(v\d+) \(v128\.const i64x2 (0x[0-9a-f]+) /.exec(line);
    if (found) constants.set(found[1] as string, found[2] as string);
  }
  const changed = (i: number, line: string): string[] => lines.map((same, j) => (i === j ? line : same));
  return lines.flatMap((line, i) => {
    const mutants: Mutant[] = [];
    const carry = /\(i64x2\.shr_u \(local\.get \$v\d+\) \(i32\.const \d+\)\)/;
    if (carry.test(line)) mutants.push({ what: `no carry: ${line}`, lines: changed(i, line.replace(carry, NOTHING)) });
    for (const [, name] of line.matchAll(/\(local\.get \$(v\d+)\)/g)) {
      const bits = constants.get(name as string);
      if (bits === undefined) continue;
      const used = `(local.get $${name})`;
      if (bits === DIGITS) {
        mutants.push({ what: `no carry: ${line}`, lines: changed(i, line.replace(used, NOTHING)) });
      } else if (line.includes('i64x2.add')) {
        const more = `0x${BigInt.asUintN(64, BigInt(bits) + 1n).toString(16)}`;
        const other = `(v128.const i64x2 ${more} ${more})`;
        mutants.push({ what: `one too many: ${line}`, lines: changed(i, line.replace(used, other)) });
      }
    }
    return mutants;
  });
}

async function instantiate(name: string, text: string, memory: WebAssembly.Memory): Promise<unknown> {
  const parsed = binaryen.parseText(
    `(module (import "env" "memory" (memory 1 65536 shared)) ${text} (export "${name}" (func $${name})))`,
  );
  parsed.setFeatures(binaryen.Features.All);
  const module = await WebAssembly.compile(parsed.emitBinary() as Uint8Array<ArrayBuffer>);
  parsed.dispose();
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return exports[name];
}

for (const [module, generate] of Object.entries(REPRESENTATIONS) as [KernelName, (pool: ConstantPool) => string[]][]) {
  describe(`a ${module} kernel with an arithmetic mistake is found out`, {
    skip: !IS_FUSED && module !== 'int2-memory',
  }, () => {
    let kernels: Kernels;
    let functions: readonly string[];
    before(async () => {
      kernels = await testKernels(module, 1 << 20);
      functions = generate(new ConstantPool(2));
    });

    const isWrong = async (name: string, lines: readonly string[]): Promise<boolean> => {
      const made = await instantiate(name, lines.join('\n'), kernels.memory);
      const mutated = { ...kernels, exports: { ...kernels.exports, [name]: made } } as Kernels;
      for (let done = 0; done < CASES; done += 100) {
        if (fuzzKernels(mutated, 100, 1 + done, (wanted) => wanted === name).wrong.length > 0) return true;
      }
      return false;
    };

    for (const [kernel, where] of KERNELS) {
      it(where, async (t) => {
        const name = `fq_${kernel}`;
        const lines = functions.find((text) => text.startsWith(`(func $${name} `))?.split('\n') ?? [];
        assert.equal(await isWrong(name, lines), false, 'it is right as it is');
        const mutants = mutantsOf(lines);
        const missed: string[] = [];
        for (const mutant of mutants) if (!(await isWrong(name, mutant.lines))) missed.push(mutant.what);
        t.diagnostic(`${kernel}: ${mutants.length} mistakes`);
        assert.ok(mutants.length >= 4, `${mutants.length} mistakes to make`);
        assert.deepEqual(missed, []);
      });
    }
  });
}
