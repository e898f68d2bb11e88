/**
 * Calls of an operator to a node of the replicated log.
 *
 * A change that is asked of a node that does not lead is taken to the one that it names, a few times at most; questions
 * are answered by whom they are put to.
 */
import { ChannelCredentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { fromServiceError, type RemoteError, raftAdmin } from '../common/rpc/index.ts';

export interface RaftTarget {
  /** host:port of the Raft port. */
  readonly address: string;
  /** Undefined: plain text. */
  readonly credentials?: ChannelCredentials | undefined;
}

type Client = raftAdmin.RaftAdminServiceClient;
type Done<T> = (error: ServiceError | null, answer: T) => void;
type Call<T> = (client: Client, metadata: Metadata, options: { deadline: number }, done: Done<T>) => void;

/** Longer than a transfer may take. */
const DEADLINE_MS = 30_000;
const HOPS_MAX = 3;

export const raftStatus = (target: RaftTarget) =>
  ask<raftAdmin.StatusResponse>(target, (client, m, o, done) => client.status({}, m, o, done));

export const listPeers = async (target: RaftTarget): Promise<raftAdmin.Peer[]> =>
  (await ask<raftAdmin.ListPeersResponse>(target, (client, m, o, done) => client.listPeers({}, m, o, done))).peers;

export const snapshotInfo = async (target: RaftTarget): Promise<raftAdmin.Snapshot[]> =>
  (await ask<raftAdmin.SnapshotInfoResponse>(target, (client, m, o, done) => client.snapshotInfo({}, m, o, done)))
    .snapshots;

export const addPeer = async (target: RaftTarget, raftAddress: string): Promise<raftAdmin.Peer | undefined> =>
  (await ask<raftAdmin.AddPeerResponse>(target, (client, m, o, done) => client.addPeer({ raftAddress }, m, o, done)))
    .peer;

export const promotePeer = (target: RaftTarget, name: string, force: boolean) =>
  ask<raftAdmin.PromotePeerResponse>(target, (client, m, o, done) => client.promotePeer({ name, force }, m, o, done));

export const removePeer = (target: RaftTarget, name: string, force: boolean) =>
  ask<raftAdmin.RemovePeerResponse>(target, (client, m, o, done) => client.removePeer({ name, force }, m, o, done));

export const transferLeadership = async (target: RaftTarget, to: string): Promise<string> =>
  (
    await ask<raftAdmin.TransferLeadershipResponse>(target, (client, m, o, done) =>
      client.transferLeadership({ to }, m, o, done),
    )
  ).leader;

export const stepDown = (target: RaftTarget) =>
  ask<raftAdmin.StepDownResponse>(target, (client, m, o, done) => client.stepDown({}, m, o, done));

async function ask<T>(target: RaftTarget, start: Call<T>): Promise<T> {
  let { address } = target;
  for (let hops = 0; ; hops += 1) {
    const client = new raftAdmin.RaftAdminServiceClient(
      address,
      target.credentials ?? ChannelCredentials.createInsecure(),
    );
    try {
      return await new Promise<T>((resolve, reject) => {
        start(client, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, answer) => {
          if (error === null) resolve(answer);
          else reject(fromServiceError(error));
        });
      });
    } catch (thrown) {
      const { code, leaderGrpcAddress: leader } = thrown as RemoteError;
      if (code !== 'not_leader' || leader === undefined || leader === address || hops >= HOPS_MAX) throw thrown;
      address = leader;
    } finally {
      client.close();
    }
  }
}
