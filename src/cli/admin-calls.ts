/**
 * Calls of an operator to the coordinator's admin service: token, deadline, and the way to the leader.
 *
 * A coordinator that does not lead names the one that does; that is followed, a few times at most.
 */
import { ChannelCredentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { AdminServiceClient, fromServiceError, type RemoteError, type WorkerInfo } from '../common/rpc/index.ts';

export type WorkerChange = 'drain' | 'quarantine' | 'release';

export interface AdminTarget {
  /** host:port */
  readonly address: string;
  /** Empty: none is sent, which is enough on the coordinator's own machine. */
  readonly token: string;
  /** Undefined: plain text. */
  readonly credentials?: ChannelCredentials | undefined;
  /** Of each call. Default 10 s. */
  readonly deadlineMs?: number;
}

type Done<T> = (error: ServiceError | null, answer: T) => void;

const DEADLINE_MS = 10_000;
const HOPS_MAX = 3;
const PAGE_SIZE = 500;

/** All workers, by id. */
export async function listWorkers(target: AdminTarget): Promise<WorkerInfo[]> {
  const workers: WorkerInfo[] = [];
  for (;;) {
    const afterWorkerId = workers.at(-1)?.workerId ?? '';
    const page = await call<{ workers: WorkerInfo[] }>(target, (client, metadata, options, done) =>
      client.listWorkers({ pageSize: PAGE_SIZE, afterWorkerId }, metadata, options, done),
    );
    workers.push(...page.workers);
    if (page.workers.length < PAGE_SIZE) return workers;
  }
}

export async function getWorker(target: AdminTarget, workerId: string): Promise<WorkerInfo> {
  return workerOf(await call<OneWorker>(target, (client, m, o, done) => client.getWorker({ workerId }, m, o, done)));
}

/** The worker as it is afterwards. */
export async function changeWorker(target: AdminTarget, what: WorkerChange, workerId: string): Promise<WorkerInfo> {
  const request = { workerId };
  return workerOf(
    await call<OneWorker>(target, (client, m, o, done) => {
      if (what === 'drain') client.drainWorker(request, m, o, done);
      else if (what === 'quarantine') client.quarantineWorker(request, m, o, done);
      else client.releaseWorker(request, m, o, done);
    }),
  );
}

interface OneWorker {
  readonly worker: WorkerInfo | undefined;
}

function workerOf({ worker }: OneWorker): WorkerInfo {
  if (worker === undefined) throw fromServiceError(new Error('the coordinator answered without a worker'));
  return worker;
}

async function call<T>(
  target: AdminTarget,
  start: (client: AdminServiceClient, metadata: Metadata, options: { deadline: number }, done: Done<T>) => void,
): Promise<T> {
  const metadata = new Metadata();
  if (target.token !== '') metadata.set('authorization', `Bearer ${target.token}`);
  let { address } = target;
  for (let hops = 0; ; hops += 1) {
    const client = new AdminServiceClient(address, target.credentials ?? ChannelCredentials.createInsecure());
    try {
      return await new Promise<T>((resolve, reject) => {
        start(client, metadata, { deadline: Date.now() + (target.deadlineMs ?? DEADLINE_MS) }, (error, answer) => {
          if (error === null) resolve(answer);
          else reject(fromServiceError(error));
        });
      });
    } catch (thrown) {
      const leader = (thrown as RemoteError).leaderGrpcAddress;
      if (leader === undefined || leader === address || hops >= HOPS_MAX) throw thrown;
      address = leader;
    } finally {
      client.close();
    }
  }
}
