/**
 * `npm run fuzz:kernels -- [--cases 1000000] [--seed N] [--kernel fma2-locals,int2-memory]`: operands at the edges of
 * their bounds through every kernel of every module that this engine runs, or of those named, against BigInt. Prints how
 * many elements each was tried on; exits 1 if one was wrong. The tests run the same with fewer.
 *
 * Under another Node: `/path/to/node --import tsx scripts/fuzz-kernels.ts ...`. Four lanes run as a prover would have
 * them, with V8's switch set from V8 13 on.
 */
import v8 from 'node:v8';
import { fuzzKernels } from '../test/support/kernel-bed.ts';
import { KERNEL_NAMES, type KernelName, testKernels } from '../test/support/kernels.ts';

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? '');
};
const option = (name: string, otherwise: number): number => {
  const value = Number(argument(name) ?? otherwise);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
};
const named = argument('kernel')?.split(',') ?? KERNEL_NAMES;
const unknown = named.find((name) => !(KERNEL_NAMES as readonly string[]).includes(name));
if (unknown !== undefined) throw new RangeError(`--kernel is ${unknown}; here it may be ${KERNEL_NAMES.join(', ')}`);
const cases = option('cases', 1_000_000);
const seed = option('seed', 1);
/** Between lines of progress. */
const SLICE = 20_000;

let wrongs = 0;
for (const name of named as readonly KernelName[]) {
  const joined = name === 'fma4-memory' && process.arch === 'x64' && Number(process.versions.v8.split('.')[0]) >= 13;
  if (joined) v8.setFlagsFromString('--experimental-wasm-revectorize');
  const kernels = await testKernels(name, 1 << 20);
  const totals: Record<string, number> = {};
  for (let done = 0; done < cases; done += SLICE) {
    const { checked, wrong } = fuzzKernels(kernels, Math.min(SLICE, cases - done), seed + done);
    for (const [kernel, count] of Object.entries(checked)) totals[kernel] = (totals[kernel] ?? 0) + count;
    for (const one of wrong.slice(0, 3)) process.stdout.write(`WRONG ${name} ${one}\n`);
    wrongs += wrong.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${name} ${Math.min(cases, done + SLICE)} of ${cases} `);
  }
  const counts = Object.values(totals);
  process.stdout.write(
    `${process.version} ${name}${joined ? ', halves joined' : ''}: ${counts.length} kernels, ` +
      `at least ${Math.min(...counts)} elements each, seed ${seed}\n`,
  );
}
process.stdout.write(wrongs === 0 ? 'none wrong\n' : `${wrongs} wrong\n`);
process.exitCode = wrongs === 0 ? 0 : 1;
