/**
 * Finished proofs on disk, until the coordinator has answered for them.
 *
 * One file a lease, in a directory of the worker's own id, written aside, fsynced, renamed, and the directory fsynced:
 * once `put` has resolved, a proof survives kill -9 and a power cut. A file holds what is reported and nothing
 * secret: the proof, the public signals, the lease; never leaves or a witness. It carries its own SHA-256, and one
 * that does not match is moved aside, not trusted. The spool is a help, never a condition: when it is full or the
 * disk fails, the proof stays in memory and is reported all the same.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex, sha256Hex, toHex, ZkraftError } from '../common/index.ts';
import type { CompletionReport } from './report.ts';

export interface SpoolLimits {
  /** Files at most; a file is about 1.5 KB. */
  readonly entriesMax: number;
  readonly entryBytesMax: number;
}

const DEFAULT_LIMITS: SpoolLimits = { entriesMax: 1_000, entryBytesMax: 64 * 1024 };
const SUFFIX = '.proof.json';

export class Spool {
  readonly #dir: string;
  readonly #limits: SpoolLimits;
  readonly #files = new Set<string>();

  private constructor(dir: string, limits: SpoolLimits) {
    this.#dir = dir;
    this.#limits = limits;
  }

  /** Opens the spool of this worker id under `dir`; returns it with the reports that an earlier process left. */
  static async open(
    dir: string,
    workerId: string,
    limits: SpoolLimits = DEFAULT_LIMITS,
  ): Promise<{ spool: Spool; left: CompletionReport[]; broken: number }> {
    const own = join(dir, `worker-${workerId}`);
    await mkdir(own, { recursive: true, mode: 0o700 });
    const spool = new Spool(own, limits);
    const left: CompletionReport[] = [];
    let broken = 0;
    for (const name of (await readdir(own)).sort()) {
      if (name.endsWith('.tmp')) await rm(join(own, name), { force: true });
      if (!name.endsWith(SUFFIX) || left.length >= limits.entriesMax) continue;
      const report = decode(await readFile(join(own, name), 'utf8'), workerId);
      if (report === undefined || fileName(report) !== name) {
        broken += 1;
        await rename(join(own, name), join(own, `${name}.broken`));
        continue;
      }
      spool.#files.add(name);
      left.push(report);
    }
    return { spool, left, broken };
  }

  get size(): number {
    return this.#files.size;
  }

  /** Resolves once the report is on disk. Rejects with `overloaded` when the spool is full, or with the disk's error. */
  async put(report: CompletionReport): Promise<void> {
    const name = fileName(report);
    const text = encode(report);
    if (!this.#files.has(name) && this.#files.size >= this.#limits.entriesMax) {
      throw new ZkraftError('overloaded', `the spool holds ${this.#files.size} proofs, which is its limit`);
    }
    if (Buffer.byteLength(text) > this.#limits.entryBytesMax) {
      throw new ZkraftError('overloaded', `a report of ${Buffer.byteLength(text)} bytes is too large for the spool`);
    }
    this.#files.add(name);
    const aside = join(this.#dir, `${name}.tmp`);
    try {
      const file = await open(aside, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(aside, join(this.#dir, name));
      await this.#syncDirectory();
    } catch (error) {
      this.#files.delete(name);
      await rm(aside, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Forgets the report. If that is lost in a crash the report is sent once more, and answered. */
  async remove(report: CompletionReport): Promise<void> {
    const name = fileName(report);
    if (this.#files.delete(name)) await rm(join(this.#dir, name), { force: true });
  }

  async #syncDirectory(): Promise<void> {
    const directory = await open(this.#dir, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

const fileName = ({ lease }: CompletionReport): string => `${lease.taskId}-${lease.attempt}-${lease.epoch}${SUFFIX}`;

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

function decode(text: string, workerId: string): CompletionReport | undefined {
  const [digest, body = ''] = text.split('\n');
  if (digest !== sha256Hex(body)) return undefined;
  // The digest vouches for the shape: nobody but `encode` wrote this, though maybe another version of it.
  const entry = JSON.parse(body) as Omit<CompletionReport, 'lease' | 'proof' | 'publicSignals'> & {
    version: number;
    lease: { taskId: string; workerId: string; attempt: number; epoch: string };
    proof: string;
    publicSignals: string[];
  };
  if (entry.version !== 1 || entry.lease.workerId !== workerId) return undefined;
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
