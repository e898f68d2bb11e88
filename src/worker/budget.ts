/**
 * How many proofs fit: processors and memory as the container allows them, then as the machine has them.
 *
 * Inside a container `os.totalmem()` and `os.cpus()` are the host's; whoever sizes by them is killed for memory. The
 * kernel's own limits are files: cgroup v2 `memory.max` and `cpu.max`, v1 `memory.limit_in_bytes` and
 * `cpu.cfs_quota_us`. A limit of any ancestor counts, so all of them are read, and the lowest wins. Files come in as
 * a function, so that this is pure.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** The text of a file, or undefined when it cannot be read. */
export type ReadFile = (path: string) => string | undefined;

export interface Budget {
  /** What the process may use, and where that comes from. */
  readonly memoryBytes: number;
  readonly memoryFrom: 'cgroup v2' | 'cgroup v1' | 'machine';
  /** Whole processors, at least 1. */
  readonly cpus: number;
  /** Proofs to make at the same time, at least 1. */
  readonly concurrency: number;
}

const MIB = 1024 * 1024;
/** Main thread, gRPC, keys of the circuits in use, and V8's slack. */
const RESERVED_BYTES = 384 * MIB;
/**
 * One proving thread: its own V8 heap, the circuit's key, and the witness program, whose memory the reference backend
 * sizes generously whatever the circuit is.
 */
const PER_PROOF_BYTES = 768 * MIB;
const CONCURRENCY_MAX = 64;
/** cgroup v1 spells "no limit" as the largest page-aligned 64-bit integer. */
const V1_UNLIMITED_BYTES = 2 ** 60;

const readTextFile: ReadFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

export interface Machine {
  readonly memoryBytes: number;
  readonly cpus: number;
}

/** The budget of this process. The arguments are for tests. */
export function readBudget(
  read: ReadFile = readTextFile,
  machine: Machine = { memoryBytes: totalmem(), cpus: availableParallelism() },
): Budget {
  const groups = cgroupsOf(read('/proc/self/cgroup') ?? '');
  const limits = groups.flatMap(({ version, path }) => limitsOf(version, path, read));
  const memory = lowest(limits.map(({ memoryBytes }) => memoryBytes));
  const quota = lowest(limits.map(({ cpus }) => cpus));
  const limited = memory !== undefined && memory < machine.memoryBytes;
  const memoryBytes = limited ? memory : machine.memoryBytes;
  const from = limits.find((limit) => limit.memoryBytes === memory)?.version;
  const cpus = Math.max(1, Math.floor(Math.min(machine.cpus, quota ?? machine.cpus)));
  const fit = Math.floor((memoryBytes - RESERVED_BYTES) / PER_PROOF_BYTES);
  return {
    memoryBytes,
    memoryFrom: limited && from !== undefined ? `cgroup v${from}` : 'machine',
    cpus,
    concurrency: Math.max(1, Math.min(cpus, fit, CONCURRENCY_MAX)),
  };
}

interface Group {
  readonly version: 1 | 2;
  /** Folder under the hierarchy's mount, without a slash at the end. */
  readonly path: string;
}

interface Limit {
  readonly version: 1 | 2;
  readonly memoryBytes: number | undefined;
  readonly cpus: number | undefined;
}

/** /proc/self/cgroup: `0::/path` for v2, `N:controller,controller:/path` for v1. */
function cgroupsOf(text: string): Group[] {
  return text.split('\n').flatMap((line): Group[] => {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const path = (match[3] ?? '').replace(/\/$/, '');
    if (match[1] === '0' && match[2] === '') return [{ version: 2, path }];
    const controllers = (match[2] ?? '').split(',');
    return controllers.includes('memory') || controllers.includes('cpu') ? [{ version: 1, path }] : [];
  });
}

/** The limits of a group and of all its ancestors up to the mount, which in a container is the group itself. */
function limitsOf(version: 1 | 2, path: string, read: ReadFile): Limit[] {
  const parts = path.split('/').filter((part) => part !== '');
  const folders = Array.from({ length: parts.length + 1 }, (_, kept) =>
    parts
      .slice(0, kept)
      .map((part) => `/${part}`)
      .join(''),
  );
  return folders.map((folder) =>
    version === 2
      ? {
          version,
          memoryBytes: bytesOf(read(`/sys/fs/cgroup${folder}/memory.max`)),
          cpus: quotaOf(read(`/sys/fs/cgroup${folder}/cpu.max`)),
        }
      : {
          version,
          memoryBytes: bytesOf(read(`/sys/fs/cgroup/memory${folder}/memory.limit_in_bytes`)),
          cpus: quotaOf(
            `${read(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_quota_us`) ?? ''} ${read(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_period_us`) ?? ''}`,
          ),
        },
  );
}

function bytesOf(text: string | undefined): number | undefined {
  const bytes = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : Number.NaN;
  return bytes > 0 && bytes < V1_UNLIMITED_BYTES ? bytes : undefined;
}

/** `quota period` in microseconds; `max` or -1 is no limit. */
function quotaOf(text: string | undefined): number | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s*$/.exec(text ?? '');
  const cpus = Number(match?.[1]) / Number(match?.[2]);
  return Number.isFinite(cpus) && cpus > 0 ? cpus : undefined;
}

function lowest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
