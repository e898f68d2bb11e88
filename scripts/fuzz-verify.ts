/**
 * `npm run fuzz:verify -- [--valid 1000] [--mutated 5000] [--seed 1]`: valid and damaged claims through our verification,
 * one by one and in batches, and through snarkjs. Prints what became of them; exits 1 if anything was accepted that
 * snarkjs refuses, or else was not as it must be. The slow tests run the same with fewer.
 */
import { parseArgs } from 'node:util';
import { closeSnarkjs } from '../test/support/snarkjs-oracle.ts';
import { fuzzVerification } from '../test/support/verification-fuzz.ts';

const { values } = parseArgs({
  options: {
    valid: { type: 'string', default: '1000' },
    mutated: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
  },
});
const whole = (name: keyof typeof values): number => {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
};
const [valid, mutated, seed] = [whole('valid'), whole('mutated'), whole('seed')];
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
