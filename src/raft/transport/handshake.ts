/**
 * Who may speak to whom: what the first message of each stream says, and what it is held against.
 *
 * Here is what a transport knows by itself: the version, the certificate, the name and the incarnation that are meant, the
 * cluster. Whether the sender's incarnation is the member of its name is for the host to say (`admit`), which knows the
 * members. Every refusal names what differs, and the remedy: whoever reads it is looking at a cluster that does not form.
 */
import { ZkraftError } from '../../common/index.ts';
import type { raftPeer } from '../../common/rpc/index.ts';
import type { Member } from '../node/members.ts';
import type { PeerIdentity } from '../node/ports.ts';
import { id } from './codec.ts';

/** Raised when an older node could not understand a newer one. */
export const PROTOCOL_VERSION = 1;

const TEXT_CHARS_MAX = 255;

export const encodeIdentity = ({
  nodeId,
  clusterId,
  hostVersion = 0,
  ...texts
}: PeerIdentity): raftPeer.NodeIdentity => ({
  nodeId: BigInt(nodeId),
  name: texts.name,
  incarnationId: texts.incarnationId,
  clusterId: clusterId ?? '',
  raftAddress: texts.raftAddress,
  clientAddress: texts.clientAddress,
  hostVersion,
});

/** Throws `invalid_request`. */
export function decodeIdentity(wire: raftPeer.NodeIdentity | undefined): PeerIdentity {
  if (wire === undefined)
    throw new ZkraftError('invalid_request', 'a hello does not say who speaks', { field: 'from' });
  const { name, incarnationId, clusterId, raftAddress, clientAddress } = wire;
  for (const [field, text] of Object.entries({ name, incarnationId, clusterId, raftAddress, clientAddress })) {
    if (text.length > TEXT_CHARS_MAX) {
      throw new ZkraftError('invalid_request', `${field} of a hello has over ${TEXT_CHARS_MAX} characters`, { field });
    }
  }
  const nodeId = id(wire.nodeId, 'from.node_id');
  return {
    nodeId,
    name,
    incarnationId,
    raftAddress,
    clientAddress,
    ...(wire.hostVersion > 0 && { hostVersion: wire.hostVersion }),
    clusterId: clusterId || undefined,
  };
}

export const helloTo = (self: PeerIdentity, to: Pick<Member, 'nodeId' | 'name'>): raftPeer.Hello => ({
  protocolVersion: PROTOCOL_VERSION,
  from: encodeIdentity(self),
  toNodeId: BigInt(to.nodeId),
  toName: to.name,
});

/** What the other side's certificate says. */
export type ShownName =
  /** The common name. */
  | { readonly kind: 'certificate'; readonly name: string }
  /** Insecure mode: there are no certificates, and names are believed. */
  | { readonly kind: 'none' };

/** Who speaks, once everything fits. Throws `peer_refused`, `invalid_request`. */
export function checkHello(hello: raftPeer.Hello, shown: ShownName, self: PeerIdentity): PeerIdentity {
  // First, since the rest may mean something else in another version.
  checkVersion(hello.protocolVersion, self.name);
  const from = decodeIdentity(hello.from);
  checkName(from.name, shown);
  if (hello.toName !== '' && hello.toName !== self.name) {
    throw refused(
      `"${from.name}" looks for "${hello.toName}", and this is "${self.name}": its record has the wrong address. ` +
        `Correct the Raft address of "${hello.toName}" (zkraft raft list-peers shows the record)`,
    );
  }
  if (hello.toNodeId !== BigInt(self.nodeId)) {
    throw refused(
      `"${from.name}" asks for incarnation ${hello.toNodeId} of "${self.name}", but this one is ${self.nodeId}: it lost ` +
        `its disk, or never had it. Remove "${self.name}" from the cluster, then add it anew`,
    );
  }
  if (from.nodeId === self.nodeId) {
    throw refused(
      `"${from.name}" has the incarnation of this node, ${self.nodeId}: its directory is a copy. Stop it, and give it an ` +
        'empty one',
    );
  }
  if (from.clusterId === undefined) {
    throw refused(`"${from.name}" belongs to no cluster yet; add it to one before it speaks`);
  }
  if (self.clusterId !== undefined && self.clusterId !== from.clusterId) {
    throw refused(
      `"${from.name}" is of cluster ${from.clusterId}, and "${self.name}" of cluster ${self.clusterId}; two clusters ` +
        'never merge. If one of them was begun by mistake, give its nodes empty directories and add them to the other',
    );
  }
  return from;
}

/** Throws `peer_refused`. */
export function checkVersion(version: number, name: string): void {
  if (version === PROTOCOL_VERSION) return;
  throw refused(
    `the peer speaks version ${version} of the Raft protocol, and "${name}" version ${PROTOCOL_VERSION}; ` +
      'install the same release of zkraft on both',
  );
}

/** Throws `peer_refused`. */
export function checkName(name: string, shown: ShownName): void {
  if (shown.kind === 'none' || shown.name === name) return;
  throw refused(
    `a node calls itself "${name}", and its certificate is of "${shown.name}"; the common name of a certificate must be ` +
      "the node's name: issue one (zkraft certs issue), or name the node as its certificate does",
  );
}

export const refused = (why: string): ZkraftError => new ZkraftError('peer_refused', why);
