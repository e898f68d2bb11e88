/**
 * Calls of an operator to a node of the replicated log.
 *
 * A change that is asked of a node that does not lead is taken to the one that it names, a few times at most; questions
 * are answered by whom they are put to.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { ZkraftError } from '../common/index.ts';
import { RemoteError, raftAdmin } from '../common/rpc/index.ts';
import { operatorChannel, type raftSecurity } from '../launch/index.ts';

export interface RaftTarget {
  /** host:port of the Raft port. */
  readonly address: string;
  readonly security: ReturnType<typeof raftSecurity>;
}

type Client = raftAdmin.RaftAdminServiceClient;
type Done<T> = (error: ServiceError | null, answer: T) => void;
type Call<T> = (client: Client, metadata: Metadata, options: { deadline: number }, done: Done<T>) => void;

const QUESTION_MS = 10_000;
/** Longer than a transfer may take. */
const CHANGE_MS = 30_000;
const HOPS_MAX = 3;

export const raftStatus = (target: RaftTarget) =>
  ask<raftAdmin.StatusResponse>(target, (client, m, o, done) => client.status({}, m, o, done));

export const listPeers = async (target: RaftTarget): Promise<raftAdmin.Peer[]> =>
  (await ask<raftAdmin.ListPeersResponse>(target, (client, m, o, done) => client.listPeers({}, m, o, done))).peers;

export const snapshotInfo = async (target: RaftTarget): Promise<raftAdmin.Snapshot[]> =>
  (await ask<raftAdmin.SnapshotInfoResponse>(target, (client, m, o, done) => client.snapshotInfo({}, m, o, done)))
    .snapshots;

export const addPeer = async (target: RaftTarget, raftAddress: string): Promise<raftAdmin.Peer | undefined> =>
  (await change<raftAdmin.AddPeerResponse>(target, (client, m, o, done) => client.addPeer({ raftAddress }, m, o, done)))
    .peer;

export const promotePeer = (target: RaftTarget, name: string, force: boolean) =>
  change<raftAdmin.PromotePeerResponse>(target, (client, m, o, done) =>
    client.promotePeer({ name, force }, m, o, done),
  );

export const removePeer = (target: RaftTarget, name: string, force: boolean) =>
  change<raftAdmin.RemovePeerResponse>(target, (client, m, o, done) => client.removePeer({ name, force }, m, o, done));

export const transferLeadership = async (target: RaftTarget, to: string): Promise<string> =>
  (
    await change<raftAdmin.TransferLeadershipResponse>(target, (client, m, o, done) =>
      client.transferLeadership({ to }, m, o, done),
    )
  ).leader;

export const stepDown = (target: RaftTarget) =>
  change<raftAdmin.StepDownResponse>(target, (client, m, o, done) => client.stepDown({}, m, o, done));

const change = <T>(target: RaftTarget, start: Call<T>): Promise<T> => ask(target, start, CHANGE_MS);

/** Throws what the node said, or `peer_refused`, `peer_unreachable`, `request_timeout` with what is to be done. */
async function ask<T>(target: RaftTarget, start: Call<T>, deadlineMs = QUESTION_MS): Promise<T> {
  let address = checkAddress(target.address);
  for (let hops = 0; ; hops += 1) {
    const sockets: Socket[] = [];
    const note = (made: unknown): void => void sockets.push((made as { readonly socket: Socket }).socket);
    subscribe(CLIENT_SOCKETS, note);
    const { credentials, options, reason } = operatorChannel(address, target.security);
    const client = new raftAdmin.RaftAdminServiceClient(address, credentials, options);
    try {
      return await new Promise<T>((resolve, reject) => {
        start(client, new Metadata(), { deadline: Date.now() + deadlineMs }, (error, answer) => {
          if (error === null) resolve(answer);
          else reject(error);
        });
      });
    } catch (thrown) {
      const error = reason(thrown);
      const leader = error instanceof RemoteError ? error.leaderGrpcAddress : undefined;
      if (error.code !== 'not_leader' || leader === undefined || leader === address || hops >= HOPS_MAX) {
        throw withHint(error, address, deadlineMs);
      }
      address = leader;
    } finally {
      client.close();
      unsubscribe(CLIENT_SOCKETS, note);
      // gRPC leaves one open whose other side takes connections and says nothing, and this process would wait for it.
      for (const socket of sockets) socket.destroy();
    }
  }
}

/** Node tells of every socket that it makes for a client. This process makes no others while it asks. */
const CLIENT_SOCKETS = 'net.client.socket';

function withHint(error: ZkraftError, address: string, deadlineMs: number): ZkraftError {
  switch (error.code) {
    case 'not_leader':
      return new ZkraftError('not_leader', `${error.message}. zkraft raft list-peers shows what ${address} knows`);
    case 'request_timeout':
      return new ZkraftError(
        'request_timeout',
        `${address} did not answer within ${deadlineMs / 1_000} s; its process may be stopped, or its disk stuck` +
          (deadlineMs === CHANGE_MS ? '. The change may be made all the same: look before you ask again' : ''),
      );
    default:
      return error;
  }
}

function checkAddress(address: string): string {
  if (/^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):\d{1,5}$/.test(address)) return address;
  throw new ZkraftError('usage', `--address ${address} is no address; give host:port`, { field: 'address' });
}
