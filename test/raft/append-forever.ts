/** A child process that proposes without end and prints each index once it was acknowledged. Killed by its test. */
import { writeSync } from 'node:fs';
import { silentLogger } from '../../src/common/logging/index.ts';
import { openSingleNodeLog } from '../../src/raft/index.ts';
import { ListMachine } from './list-machine.ts';

const dir = process.argv[2] ?? '';
const log = await openSingleNodeLog<string>({
  dir,
  nodeId: 'n1',
  grpcAddress: '127.0.0.1:1',
  snapshotThreshold: 40,
  trailingEntries: 10,
  logger: silentLogger,
});
await log.start(new ListMachine());
const propose = async (): Promise<never> => {
  for (;;) {
    const { index } = await log.propose(new TextEncoder().encode(`value ${Math.random()}`.padEnd(400, '.')));
    writeSync(1, `${index}\n`);
  }
};
await Promise.all([propose(), propose(), propose(), propose()]);
