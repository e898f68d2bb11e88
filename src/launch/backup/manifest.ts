/**
 * `manifest.json`: what a backup holds, and the digest of each of its files. Pure.
 *
 * It is written last, so that a backup without one was cut off. It bears a digest of itself as well, since a bit that
 * flips in it must not be taken for a bit in a file.
 */
import { sha256Hex, ZkraftError } from '../../common/index.ts';

export const MANIFEST_FILE = 'manifest.json';
export const DUMP_FILE = 'database.dump';
export const RAFT_FOLDER = 'raft';
/** Of what this version writes and reads. */
export const FORMAT = 1;
const FILES_MAX = 100_000;

export interface BackupFile {
  /** Relative to the backup, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Of the file, in hex. */
  readonly sha256: string;
}

export interface DatabasePart {
  readonly name: string;
  /** Such as 18.4. */
  readonly server_version: string;
  readonly pg_dump_version: string;
  /** The newest migration. */
  readonly schema_version: number;
  /** Null before any coordinator led. */
  readonly cluster_id: string | null;
  readonly epoch: number | null;
  /** Up to which entry of the log the database reflects it. */
  readonly applied_index: number | null;
  /** By status. */
  readonly tasks: Readonly<Record<string, number>>;
}

export interface RaftPart {
  readonly node: string;
  readonly incarnation: number;
  readonly cluster_id: string;
  readonly epoch: number;
  /** Clusters that it was recovered from. */
  readonly succeeds: readonly string[];
  readonly term: number;
  /** Known to be committed; of a node alone, all that it has is. */
  readonly commit_index: number;
  readonly last_index: number;
  readonly snapshot_index: number;
  /** Names, this node's included. */
  readonly members: readonly string[];
}

export interface Manifest {
  readonly format: number;
  readonly zkraft_version: string;
  /** RFC 3339, UTC. */
  readonly started_at: string;
  readonly finished_at: string;
  readonly database: DatabasePart | null;
  readonly raft: RaftPart | null;
  readonly files: readonly BackupFile[];
}

const digestOf = (manifest: Manifest): string => sha256Hex(JSON.stringify(manifest));

export const encodeManifest = (manifest: Manifest): Uint8Array =>
  Buffer.from(`${JSON.stringify({ ...manifest, sha256: digestOf(manifest) }, null, 2)}\n`);

/** Throws `backup_invalid`: damaged, or of a format that this version does not read. `where` is for the message. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  const damaged = (why: string): ZkraftError =>
    new ZkraftError('backup_invalid', `${where}/${MANIFEST_FILE} ${why}; take another backup`, { field: 'from' });
  let told: Manifest & { readonly sha256?: unknown };
  try {
    told = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw damaged('is no JSON');
  }
  if (typeof told !== 'object' || told === null) throw damaged('is no object');
  const { sha256, ...manifest } = told;
  if (manifest.format !== FORMAT && Number.isSafeInteger(manifest.format)) {
    throw damaged(`has format ${manifest.format}, and this version of zkraft reads ${FORMAT}`);
  }
  if (sha256 !== digestOf(manifest)) throw damaged('fails its checksum');
  const { files } = manifest;
  if (!Array.isArray(files) || files.length > FILES_MAX || !files.every(isInside)) throw damaged('names no such files');
  return manifest;
}

/** A path that cannot lead out of the backup. */
function isInside({ path, bytes, sha256 }: BackupFile): boolean {
  return (
    typeof path === 'string' &&
    path.split('/').every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(part)) &&
    Number.isSafeInteger(bytes) &&
    /^[0-9a-f]{64}$/.test(sha256)
  );
}
