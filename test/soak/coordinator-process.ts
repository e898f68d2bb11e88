/**
 * A coordinator in a process of its own, as `zkraft coordinator` runs it: real gRPC, a log on disk, PostgreSQL.
 *
 * One thing differs, and it is put in from outside, through what `startCoordinator` takes anyway: the log is handed in,
 * so that the state's snapshot can be asked for.
 *
 * Argument: JSON with `connectionString` and `logDir`. Says `ready` with its port, answers `measure` and `stop`, and
 * ends when its parent is gone.
 */
import { createLogger } from '../../src/common/logging/index.ts';
import { type StateEvent, startCoordinator } from '../../src/coordinator/index.ts';
import { createProver } from '../../src/prover/index.ts';
import type { ReplicatedLog, StateMachine } from '../../src/raft/index.ts';
import { openStore } from '../../src/store/index.ts';
import { folderLog } from '../support/alone-log.ts';
import type { FromCoordinator, Measurement, ToCoordinator } from './coordinator.ts';

type Log = ReplicatedLog<readonly StateEvent[]>;

const { connectionString, logDir } = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>;
if (connectionString === undefined || logDir === undefined) throw new Error('tell me the database and the log folder');

const say = (message: FromCoordinator): void => void process.send?.(message);
const logger = createLogger({ level: 'warn', format: 'json', output: 'stderr' });
const store = await openStore({ connectionString, logger, applicationName: 'soak-coordinator' });
const prover = await createProver({ backend: 'wasm', threads: 1 });
const watched = watchSnapshots();
const coordinator = await startCoordinator({
  id: 'soak',
  store,
  artifacts: store.artifacts,
  verifier: prover,
  openLog: async (host) => watched.watch(await folderLog(logDir)(host)),
  grpcHost: '127.0.0.1',
  grpcPort: 0,
  httpHost: '127.0.0.1',
  httpPort: 0,
  logger,
  onFatal: (error) => {
    logger.fatal({ err: error }, 'the coordinator cannot go on');
    process.exit(1);
  },
});

process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToCoordinator) => {
  if (message.kind === 'measure') say({ kind: 'measured', id: message.id, measurement: measure(message.collect) });
  else void stop();
});
say({ kind: 'ready', port: coordinator.grpcPort });

function measure(collect: boolean): Measurement {
  const { user, system } = process.cpuUsage();
  const rssBytes = process.memoryUsage.rss();
  const light = { cpuMs: (user + system) / 1_000, rssBytes };
  if (!collect) return { ...light, collected: undefined };
  // Twice: what the first finds dead can hold what only the second can free.
  for (let times = 0; times < 2; times++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const snapshotBytes = watched.snapshotBytes();
  const snapshotBytesMax = watched.takeLargest();
  const { outbox } = coordinator.status();
  const after = process.cpuUsage();
  return {
    ...light,
    collected: {
      rssBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external,
      snapshotBytes,
      snapshotBytesMax,
      outbox,
      appliedIndex: watched.status()?.appliedIndex ?? 0,
      snapshotIndex: watched.status()?.snapshotIndex ?? 0,
      cpuMs: (after.user + after.system) / 1_000,
    },
  };
}

async function stop(): Promise<void> {
  await coordinator.close();
  await prover.close();
  await store.close();
  process.disconnect();
}

/** The log as it is, except that the state machine passes through our hands. */
function watchSnapshots() {
  let machine: StateMachine<readonly StateEvent[]> | undefined;
  let largest = 0;
  let log: Log | undefined;
  const weigh = (snapshot: Uint8Array): Uint8Array => {
    largest = Math.max(largest, snapshot.length);
    return snapshot;
  };
  const watch = (real: Log): Log => {
    log = {
      start: (given) => {
        machine = given;
        return real.start({
          apply: (entry) => given.apply(entry),
          snapshot: () => weigh(given.snapshot()),
          restore: (snapshot, index) => given.restore(snapshot, index),
        });
      },
      propose: (data) => real.propose(data),
      readIndex: () => real.readIndex(),
      status: () => real.status(),
      onStateChange: (listener) => real.onStateChange(listener),
      handOver: () => real.handOver(),
      close: () => real.close(),
    };
    return log;
  };
  return {
    watch,
    status: () => log?.status(),
    snapshotBytes: () => weigh(machine?.snapshot() ?? new Uint8Array()).length,
    takeLargest: () => {
      const taken = largest;
      largest = 0;
      return taken;
    },
  };
}
