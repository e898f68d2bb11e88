/** `npm run test:chaos -- [--tasks 500] [--faults 60] [--seed N]`: the whole of chaos.ts; exits 1 on any violation. */
import { CHAOS_DEPTH, runChaos } from './chaos.ts';
import { startTestNetwork } from './network.ts';

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : Number(process.argv[at + 1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
};
const options = { tasks: option('tasks', 500), faults: option('faults', 60), seed: option('seed', 1) };
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

say(`seed ${options.seed}: ${options.tasks} tasks, ${options.faults} faults`);
const network = await startTestNetwork(CHAOS_DEPTH);
const end = (): void => {
  void network.close().finally(() => process.exit(130));
};
process.once('SIGINT', end).once('SIGTERM', end);
try {
  const report = await runChaos(network, { ...options, say });
  say(JSON.stringify(report, null, 2));
  const { lost, uninvited, completedTwice, unverified, changedIds } = report;
  const violations = [lost, uninvited, completedTwice, unverified, changedIds].reduce(
    (sum, list) => sum + list.length,
    0,
  );
  const faults = Object.values(report.faults).reduce((a, b) => a + b, 0);
  say(
    `seed ${options.seed}: ${report.accepted} tasks, ${faults} faults (${report.faultsInFlight} with proofs in flight), ` +
      `${report.completions} completions, ${violations} violations, ${report.seconds} s`,
  );
  const whole = report.accepted === options.tasks && report.completions === options.tasks;
  process.exitCode = violations === 0 && whole ? 0 : 1;
} finally {
  await network.close();
}
// snarkjs keeps the threads of its curve.
process.exit(process.exitCode ?? 0);
