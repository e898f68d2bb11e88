/**
 * `npm run test:endurance -- [--proofs 10000] [--depth 20] [--threads N]`: proofs in a row; each must verify, and memory
 * must not grow by more than a tenth after the first 500. Exits 1 where that is broken.
 */
import { parseArgs } from 'node:util';
import { endure } from './endurance.ts';
import { judgeMemory, megabytesText } from './verdict.ts';

/** By then caches are full, code is compiled, and V8's heaps have their size. */
const SETTLE_PROOFS = 500;
const GROWTH_MAX = 1.1;

const { values } = parseArgs({
  options: {
    proofs: { type: 'string', default: '10000' },
    depth: { type: 'string', default: '20' },
    threads: { type: 'string', default: '2' },
  },
});
const whole = (name: keyof typeof values, from: number, to: number): number => {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= from && value <= to) return value;
  process.stderr.write(`--${name} is ${values[name]}; it must be a whole number from ${from} to ${to}\n`);
  process.exit(2);
};
const proofs = whole('proofs', SETTLE_PROOFS + 100, 10_000_000);
const depth = whole('depth', 2, 32);
const threads = whole('threads', 1, 64);
/** A multiple of what settling takes, so that a sample ends there. */
const sampleEach = proofs >= 20 * SETTLE_PROOFS ? SETTLE_PROOFS : 50;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const { isTTY } = process.stderr;
const clear = isTTY ? '\r\x1b[K' : '';
const interrupted = new AbortController();
// The second one ends this process as usual.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

try {
  const { samples, elapsedMs, shownToSnarkjs } = await endure({
    proofs,
    depth,
    threads,
    sampleEach,
    snarkjsEach: Math.max(1, Math.floor(proofs / 100)),
    signal: interrupted.signal,
    say,
    sampled: (sample) => {
      const seconds = (sample.elapsedMs / 1000).toFixed();
      process.stderr.write(clear);
      say(
        `${String(sample.proofs).padStart(7)} proofs ${seconds.padStart(6)} s  RSS ${megabytesText(sample.rssBytes)}`,
      );
    },
    progress: (done) => {
      if (isTTY) process.stderr.write(`\r${done} of ${proofs} `);
    },
  });
  const memory = judgeMemory(samples, SETTLE_PROOFS, GROWTH_MAX);
  say('');
  say(`PASS  proofs  all ${proofs} verify, ${shownToSnarkjs} of them by snarkjs as well`);
  say(`${memory.pass ? 'PASS' : 'FAIL'}  memory  ${memory.text}`);
  say(`depth ${depth}, ${threads} threads, ${((proofs / elapsedMs) * 1000).toFixed(1)} proofs a second`);
  if (!memory.pass) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${clear}FAIL  proofs  ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
