/**
 * `npm run fuzz:kernels -- [--cases 1000000] [--seed N]`: operands at the edges of their bounds through every kernel of
 * every module that this engine runs, against BigInt. Prints how many elements each was tried on; exits 1 if one was
 * wrong. The tests run the same with fewer.
 */
import { fuzzKernels } from '../test/support/kernel-bed.ts';
import { allKernels } from '../test/support/kernels.ts';

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
};
const cases = option('cases', 1_000_000);
const seed = option('seed', 1);
/** Between lines of progress. */
const SLICE = 20_000;

let wrongs = 0;
for (const kernels of await allKernels()) {
  const totals: Record<string, number> = {};
  for (let done = 0; done < cases; done += SLICE) {
    const { checked, wrong } = fuzzKernels(kernels, Math.min(SLICE, cases - done), seed + done);
    for (const [name, count] of Object.entries(checked)) totals[name] = (totals[name] ?? 0) + count;
    for (const one of wrong.slice(0, 3)) process.stdout.write(`WRONG ${kernels.name} ${one}\n`);
    wrongs += wrong.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${kernels.name} ${done + SLICE} of ${cases} `);
  }
  const counts = Object.values(totals);
  process.stdout.write(
    `${process.version} ${kernels.name}: ${counts.length} kernels, at least ${Math.min(...counts)} elements each, seed ${seed}\n`,
  );
}
process.stdout.write(wrongs === 0 ? 'none wrong\n' : `${wrongs} wrong\n`);
process.exitCode = wrongs === 0 ? 0 : 1;
