/** `identity.json`: whose log this is, with a checksum, since a flipped bit in an id must not make another node of it. */
import { sha256Hex, ZkraftError } from '../../common/index.ts';
import type { LogIdentity } from './log-storage.ts';

export const IDENTITY_FILE = 'identity.json';
/** 1 is the one-node log's. */
const FORMAT_VERSION = 2;
const SINGLE_NODE_VERSION = 1;
const NAME_MAX = 128;

export function checkIdentity(identity: LogIdentity): void {
  const { clusterId, nodeName, nodeId, incarnationId } = identity;
  for (const [field, value] of Object.entries({ clusterId, nodeName, incarnationId })) {
    if (typeof value !== 'string' || value.length < 1 || value.length > NAME_MAX) {
      throw new ZkraftError('config_invalid', `${field} must be a text of 1 to ${NAME_MAX} characters`, { field });
    }
  }
  if (!Number.isSafeInteger(nodeId) || nodeId < 1) {
    throw new ZkraftError('config_invalid', `nodeId must be a whole number from 1 to 2^53 - 1, not ${nodeId}`, {
      field: 'nodeId',
    });
  }
}

const canonical = ({ clusterId, nodeName, nodeId, incarnationId }: LogIdentity): string =>
  JSON.stringify([FORMAT_VERSION, clusterId, nodeName, nodeId, incarnationId]);

export function encodeIdentity(identity: LogIdentity): Uint8Array {
  const { clusterId, nodeName, nodeId, incarnationId } = identity;
  const sum = sha256Hex(canonical(identity));
  const json = { version: FORMAT_VERSION, clusterId, nodeName, nodeId, incarnationId, sha256: sum };
  return Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
}

export function decodeIdentity(bytes: Uint8Array): LogIdentity {
  const damaged = (why: string): ZkraftError => new ZkraftError('log_corrupt', `${IDENTITY_FILE} ${why}`);
  let json: Partial<LogIdentity> & { readonly version?: unknown; readonly sha256?: unknown };
  try {
    json = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw damaged('is no JSON');
  }
  // The log of coordinators that could only be alone, which had another form all through. Nothing is damaged.
  if (json.version === SINGLE_NODE_VERSION) {
    throw new ZkraftError(
      'config_invalid',
      'the raft directory holds the log of a coordinator from before clusters, which this version does not read. Let ' +
        'the version that wrote it finish its tasks; then move the directory away, and begin with a new database',
      { field: 'raft_dir' },
    );
  }
  if (json.version !== FORMAT_VERSION) {
    throw damaged(`has format ${String(json.version)}; this version reads ${FORMAT_VERSION}`);
  }
  const { clusterId, nodeName, nodeId, incarnationId } = json;
  if (!clusterId || !nodeName || !nodeId || !incarnationId) throw damaged('lacks an id');
  const identity: LogIdentity = { clusterId, nodeName, nodeId, incarnationId };
  if (json.sha256 !== sha256Hex(canonical(identity))) throw damaged('fails its checksum');
  return identity;
}
