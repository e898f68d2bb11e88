/**
 * Finished proofs on disk, until the coordinator has answered for them.
 *
 * One file a lease, in a directory for each worker id, written aside, fsynced, renamed, and the directory fsynced:
 * once `put` has resolved, a proof survives kill -9 and a power cut. A file holds what is reported and nothing
 * secret: the proof, the public signals, the lease; never leaves or a witness. It carries its own SHA-256, and one
 * that does not match is moved aside, not trusted. The spool is a help, never a condition: when it is full or the
 * disk fails, the proof stays in memory and is reported all the same. What workers of other ids left is taken over too:
 * a worker whose id is drawn at each start would else never find its own. Should that worker be alive, its proof is
 * reported twice, which changes nothing.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromHex, sha256Hex, toHex, ZkraftError } from '../common/index.ts';
import type { CompletionReport } from './report.ts';

export interface SpoolLimits {
  /** Files at most; a file is about 1.5 KB. */
  readonly entriesMax: number;
  readonly entryBytesMax: number;
}

const DEFAULT_LIMITS: SpoolLimits = { entriesMax: 1_000, entryBytesMax: 64 * 1024 };
const SUFFIX = '.proof.json';
const FOLDER_PREFIX = 'worker-';

export class Spool {
  readonly #dir: string;
  readonly #limits: SpoolLimits;
  readonly #files = new Set<string>();

  private constructor(dir: string, limits: SpoolLimits) {
    this.#dir = dir;
    this.#limits = limits;
  }

  /** Opens the spool in `dir` for this worker id; returns it with the reports that earlier processes left. */
  static async open(
    dir: string,
    workerId: string,
    limits: SpoolLimits = DEFAULT_LIMITS,
  ): Promise<{ spool: Spool; left: CompletionReport[]; broken: number }> {
    const spool = new Spool(dir, limits);
    await mkdir(join(dir, folderOf(workerId)), { recursive: true, mode: 0o700 });
    const left: CompletionReport[] = [];
    let broken = 0;
    const folders = (await readdir(dir)).filter((name) => name.startsWith(FOLDER_PREFIX));
    // Its own first, should the limit cut the others off.
    folders.sort((a, b) => Number(b === folderOf(workerId)) - Number(a === folderOf(workerId)));
    for (const folder of folders) {
      for (const name of (await readdir(join(dir, folder))).sort()) {
        const path = join(folder, name);
        if (name.endsWith('.tmp') && folder === folderOf(workerId)) await rm(join(dir, path), { force: true });
        if (!name.endsWith(SUFFIX) || left.length >= limits.entriesMax) continue;
        const report = decode(await readFile(join(dir, path), 'utf8').catch(() => ''));
        if (report === undefined || pathOf(report) !== path) {
          broken += 1;
          await rename(join(dir, path), join(dir, `${path}.broken`)).catch(() => undefined);
          continue;
        }
        spool.#files.add(path);
        left.push(report);
      }
    }
    return { spool, left, broken };
  }

  get size(): number {
    return this.#files.size;
  }

  /** Resolves once the report is on disk. Rejects with `overloaded` when the spool is full, or with the disk's error. */
  async put(report: CompletionReport): Promise<void> {
    const path = pathOf(report);
    const text = encode(report);
    if (!this.#files.has(path) && this.#files.size >= this.#limits.entriesMax) {
      throw new ZkraftError('overloaded', `the spool holds ${this.#files.size} proofs, which is its limit`);
    }
    if (Buffer.byteLength(text) > this.#limits.entryBytesMax) {
      throw new ZkraftError('overloaded', `a report of ${Buffer.byteLength(text)} bytes is too large for the spool`);
    }
    this.#files.add(path);
    const aside = join(this.#dir, `${path}.tmp`);
    try {
      await writeSynced(aside, text);
      await rename(aside, join(this.#dir, path));
      await syncFolder(dirname(aside));
    } catch (error) {
      this.#files.delete(path);
      await rm(aside, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Forgets the report. If that is lost in a crash the report is sent once more, and answered. */
  async remove(report: CompletionReport): Promise<void> {
    const path = pathOf(report);
    if (this.#files.delete(path)) await rm(join(this.#dir, path), { force: true });
  }
}

/** A prefix, because `.` and `..` are worker ids too. */
const folderOf = (workerId: string): string => `${FOLDER_PREFIX}${workerId}`;

const pathOf = ({ lease }: CompletionReport): string =>
  join(folderOf(lease.workerId), `${lease.taskId}-${lease.attempt}-${lease.epoch}${SUFFIX}`);

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function encode(report: CompletionReport): string {
  const body = JSON.stringify({
    version: 1,
    lease: { ...report.lease, epoch: String(report.lease.epoch) },
    requestId: report.requestId,
    circuitId: report.circuitId,
    proof: toHex(report.proof),
    publicSignals: report.publicSignals.map(toHex),
    backend: report.backend,
    timings: report.timings,
  });
  return `${sha256Hex(body)}\n${body}\n`;
}

function decode(text: string): CompletionReport | undefined {
  const [digest, body = ''] = text.split('\n');
  if (digest !== sha256Hex(body)) return undefined;
  try {
    return decodeBody(body);
  } catch {
    return undefined;
  }
}

/** The digest tells that the file is whole, not who wrote it: whatever throws here is no report. */
function decodeBody(body: string): CompletionReport | undefined {
  const entry = JSON.parse(body) as Omit<CompletionReport, 'lease' | 'proof' | 'publicSignals'> & {
    version: number;
    lease: { taskId: string; workerId: string; attempt: number; epoch: string };
    proof: string;
    publicSignals: string[];
  };
  if (entry.version !== 1) return undefined;
  return {
    kind: 'completion',
    lease: { ...entry.lease, epoch: BigInt(entry.lease.epoch) },
    requestId: entry.requestId,
    circuitId: entry.circuitId,
    proof: fromHex(entry.proof),
    publicSignals: entry.publicSignals.map(fromHex),
    backend: entry.backend,
    timings: entry.timings,
  };
}
