/** Runs the seeds that it is sent, one after the other. Something that nobody caught is a fault of the code under test. */
import type { ProfileName } from './profile.ts';
import { type SimulationResult, simulate } from './run.ts';

interface Request {
  readonly seed: number;
  readonly ticks: number;
  readonly profile: ProfileName;
}

process.on('message', (request: Request) => {
  void simulate(request).then((result: SimulationResult) => process.send?.(result));
});
process.on('disconnect', () => process.exit(0));
