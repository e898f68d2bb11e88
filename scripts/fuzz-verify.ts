/**
 * `npm run fuzz:verify -- [--valid 1000] [--mutated 5000] [--seed 1]`: valid and damaged claims through our verification,
 * one by one and in batches, and through snarkjs. Prints what became of them; exits 1 if anything was accepted that
 * snarkjs refuses, or else was not as it must be. The slow tests run the same with fewer.
 */
import { closeSnarkjs } from '../test/support/snarkjs-oracle.ts';
import { fuzzVerification } from '../test/support/verification-fuzz.ts';

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
};
const [valid, mutated, seed] = [option('valid', 1_000), option('mutated', 5_000), option('seed', 1)];
const onProgress = (done: number): void => {
  if (process.stderr.isTTY && done % 50 === 0) process.stderr.write(`\r${done} of ${valid + mutated} `);
};
const { wrong, stricter, ...counts } = await fuzzVerification({ valid, mutated, seed, onProgress });
await closeSnarkjs();
process.stdout.write(
  `${process.version}, seed ${seed}: ${valid} valid, ${mutated} mutated ${JSON.stringify(counts)}\n`,
);
for (const [name, count] of Object.entries(stricter)) process.stdout.write(`stricter, ${count}: ${name}\n`);
for (const one of wrong.slice(0, 10)) process.stdout.write(`WRONG ${one}\n`);
process.stdout.write(wrong.length === 0 ? 'none wrong\n' : `${wrong.length} wrong\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
