/**
 * The RPCs of zkraft/raft/v1/admin.proto: what operators see of a node, and do to its cluster.
 *
 * Who may call is decided by the port's client certificates. A change that is asked of a node that does not lead is
 * refused, and the refusal names the leader's Raft address, so that a caller can go there.
 */
import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { type Logger, ZkraftError } from '../../common/index.ts';
import { RemoteError, type raftAdmin, toServiceError } from '../../common/rpc/index.ts';
import type { RaftNode } from './raft-node.ts';
import type { PeerStatus } from './status.ts';

const NAME_CHARS_MAX = 255;

export function createRaftAdminService<Result>(
  node: RaftNode<Result>,
  logger: Logger,
): raftAdmin.RaftAdminServiceServer {
  /** A refusal that names the leader. */
  async function told(thrown: unknown): Promise<unknown> {
    const error = ZkraftError.from(thrown);
    if (error.code !== 'not_leader') return thrown;
    const leader = (await node.peers()).find(({ isLeader, isSelf }) => isLeader && !isSelf);
    return new RemoteError('not_leader', error.message, {
      ...(leader !== undefined && { leaderId: leader.name, leaderGrpcAddress: leader.raftAddress }),
    });
  }

  function unary<Request, Response>(
    method: string,
    handle: (request: Request) => Response | Promise<Response>,
    isChange = false,
  ): handleUnaryCall<Request, Response> {
    return (call: ServerUnaryCall<Request, Response>, callback) => {
      const peer = call.getPeer();
      const answer = async (): Promise<Response> => await handle(call.request);
      answer().then(
        (response) => {
          if (isChange) logger.warn({ method, peer, request: call.request }, 'an operator changed the cluster');
          callback(null, response);
        },
        async (thrown: unknown) => {
          const error = await told(thrown);
          const { code, message } = ZkraftError.from(error);
          if (code === 'internal') logger.error({ err: thrown, method }, 'raft admin call failed');
          else logger.info({ method, code, reason: message, peer }, 'raft admin call refused');
          callback(toServiceError(error));
        },
      );
    };
  }

  const change = <Request, Response>(method: string, handle: (request: Request) => Promise<Response>) =>
    unary(method, handle, true);

  return {
    status: unary('Status', () => {
      const status = node.status();
      return {
        state: status.state,
        node: status.nodeId,
        incarnation: BigInt(status.incarnation),
        clusterId: status.clusterId,
        leader: status.leaderId ?? '',
        leaderClientAddress: status.leaderAddress ?? '',
        term: BigInt(status.term),
        commitIndex: BigInt(status.commitIndex),
        appliedIndex: BigInt(status.appliedIndex),
        snapshotIndex: BigInt(status.snapshotIndex),
        peers: status.peers,
        waiting: status.isWaiting,
        refusals: node.refusals().map(refusalMessage),
        epoch: BigInt(status.epoch),
      };
    }),
    listPeers: unary('ListPeers', async () => ({ peers: (await node.peers()).map(peerMessage) })),
    snapshotInfo: unary('SnapshotInfo', () => ({
      snapshots: node.snapshotInfo().map(({ index, term, confState }) => ({
        index: BigInt(index),
        term: BigInt(term),
        voters: confState.voters.map(BigInt),
        learners: confState.learners.map(BigInt),
      })),
    })),
    addPeer: change('AddPeer', async ({ raftAddress }: raftAdmin.AddPeerRequest) => {
      const { nodeId } = await node.addPeer(checkAddress(raftAddress));
      const added = (await node.peers()).find((peer) => peer.nodeId === nodeId);
      return { peer: added === undefined ? undefined : peerMessage(added) };
    }),
    promotePeer: change('PromotePeer', async ({ name, force }: raftAdmin.PromotePeerRequest) => {
      await node.promote(checkName(name), force);
      return {};
    }),
    removePeer: change('RemovePeer', async ({ name, force }: raftAdmin.RemovePeerRequest) => {
      await node.removePeer(checkName(name), force);
      return {};
    }),
    transferLeadership: change('TransferLeadership', async ({ to }: raftAdmin.TransferLeadershipRequest) => ({
      leader: await node.transferLeadership(to === '' ? undefined : checkName(to)),
    })),
    stepDown: change('StepDown', async () => {
      await node.stepDown();
      return {};
    }),
  };
}

const refusalMessage = ({ peer, reason, count, agoMs }: ReturnType<RaftNode<unknown>['refusals']>[number]) => ({
  peer,
  reason,
  count,
  agoMs: BigInt(Math.round(agoMs)),
});

function peerMessage(peer: PeerStatus): raftAdmin.Peer {
  const { progress, link } = peer;
  return {
    name: peer.name,
    incarnation: BigInt(peer.nodeId),
    role: peer.role,
    raftAddress: peer.raftAddress,
    clientAddress: peer.clientAddress,
    hostVersion: peer.hostVersion ?? 0,
    leader: peer.isLeader,
    self: peer.isSelf,
    link: link === undefined ? undefined : { state: link.state, problem: link.problem },
    progress:
      progress === undefined
        ? undefined
        : {
            matchIndex: BigInt(progress.matchIndex),
            lagEntries: BigInt(progress.lagEntries),
            state: progress.state,
            inTouch: progress.isInTouch,
          },
  };
}

function checkName(name: string): string {
  if (name.length >= 1 && name.length <= NAME_CHARS_MAX) return name;
  throw new ZkraftError('invalid_request', `a name has 1 to ${NAME_CHARS_MAX} characters`, { field: 'name' });
}

function checkAddress(address: string): string {
  if (address.length <= NAME_CHARS_MAX && /^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):\d{1,5}$/.test(address)) return address;
  throw new ZkraftError('invalid_request', `"${address.slice(0, 80)}" is no address; give host:port`, {
    field: 'raft_address',
  });
}
