/**
 * The circuits this worker can prove: found in the local cache by digest, else fetched from the coordinator.
 *
 * A worker never makes a key and never chooses one: the lease names a manifest by its digest, the manifest names the
 * files by theirs, and every byte is verified before it is used. One download of a circuit is under way at a time
 * whoever asks for it; it belongs to nobody, so that a cancelled task does not throw away what the next one needs.
 * The `CIRCUITS_MAX` circuits used last stay in memory.
 */
import { fromHex, type Logger, ZkraftError } from '../common/index.ts';
import type { CircuitRef } from '../common/rpc/index.ts';
import type { ArtifactStore, CircuitManifest } from '../prover/artifacts/types.ts';
import { MANIFEST_BYTES_MAX, parseManifest } from '../prover/index.ts';
import type { CircuitArtifacts } from '../prover/types.ts';
import type { CircuitName } from './assignment.ts';
import type { BackoffOptions } from './backoff.ts';
import { type Clock, untilAborted } from './clock.ts';
import type { Connection } from './connection.ts';
import { type BlobChunk, download } from './download.ts';
import type { LoadCircuit } from './options.ts';

/** zkeys of depth 32 are below 64 MiB; four of them in memory fit the reserve of budget.ts. */
const CIRCUITS_MAX = 4;
/** Above any file of a circuit of the project; what a hostile coordinator can make a worker hold. */
const FILE_BYTES_MAX = 1024 * 1024 * 1024;

/** What a damaged cache makes of loading; the same from a sound one is final. */
const MENDABLE: ReadonlySet<string> = new Set(['artifact_corrupt', 'artifact_not_found']);

export interface CircuitsOptions {
  readonly artifacts: ArtifactStore;
  readonly loadCircuit: LoadCircuit;
  readonly connected: (signal: AbortSignal) => Promise<Connection>;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onFetched: (bytes: number) => void;
}

export class Circuits {
  readonly #options: CircuitsOptions;
  readonly #loaded = new Map<string, Promise<CircuitArtifacts>>();
  readonly #cached = new Map<string, CircuitRef>();
  readonly #stop = new AbortController();

  constructor(options: CircuitsOptions) {
    this.#options = options;
  }

  /** Learns what the local cache holds whole, to tell the coordinator. */
  async survey(): Promise<void> {
    const { blobs, circuits } = this.#options.artifacts;
    for (const { circuitId, digest, manifest } of await circuits.list()) {
      const needed = [digest, ...filesOf(manifest).map((file) => file.digest)];
      const present = await Promise.all(needed.map((blob) => blobs.has(blob)));
      if (present.every(Boolean)) this.#note(circuitId, digest);
    }
  }

  cachedCircuits(): CircuitRef[] {
    return [...this.#cached.values()];
  }

  /** The circuit, verified. Rejects with ZkraftError, or with the reason of `signal` once that fires. */
  get(name: CircuitName, signal: AbortSignal): Promise<CircuitArtifacts> {
    const key = name.manifestDigest;
    let loading = this.#loaded.get(key);
    if (loading === undefined) {
      loading = this.#load(name);
      // A circuit that could not be had is tried afresh by the next task.
      loading.catch(() => this.#loaded.delete(key));
    }
    // Last used, last out.
    this.#loaded.delete(key);
    this.#loaded.set(key, loading);
    for (const oldest of this.#loaded.keys()) {
      if (this.#loaded.size <= CIRCUITS_MAX) break;
      this.#loaded.delete(oldest);
    }
    return untilAborted(
      loading.then((circuit) => {
        if (circuit.circuitId !== name.circuitId) throw otherCircuit(name, circuit.circuitId);
        return circuit;
      }),
      signal,
    );
  }

  close(): void {
    this.#stop.abort(new ZkraftError('shutting_down', 'the worker is stopping'));
  }

  async #load(name: CircuitName): Promise<CircuitArtifacts> {
    const { artifacts, loadCircuit } = this.#options;
    const { circuitId, manifestDigest: digest } = name;
    const manifest = parseManifest(await this.#bring(digest, MANIFEST_BYTES_MAX));
    if (manifest.circuitId !== circuitId) throw otherCircuit(name, manifest.circuitId);
    for (const file of filesOf(manifest)) {
      if (!(await artifacts.blobs.has(file.digest))) await this.#bring(file.digest, FILE_BYTES_MAX, file.bytes);
    }
    const pinned = { circuitId, digest, manifest };
    const circuit = await loadCircuit(artifacts, pinned).catch(async (thrown) => {
      if (!MENDABLE.has(ZkraftError.from(thrown).code)) throw thrown;
      // A file of the cache is damaged: each is read whole, and fetched afresh where it is not sound.
      for (const file of filesOf(manifest)) await this.#bring(file.digest, FILE_BYTES_MAX, file.bytes);
      return loadCircuit(artifacts, pinned);
    });
    this.#note(circuitId, digest);
    // Only a note for the next start of what this cache holds; which key counts is said by each lease.
    await artifacts.circuits.pin(circuitId, digest).catch(() => undefined);
    return circuit;
  }

  /** The blob, from the cache if it is sound there, else from the coordinator and then into the cache. */
  async #bring(digest: string, bytesMax: number, bytes?: number): Promise<Uint8Array> {
    const { artifacts, connected, backoff, clock, random, logger, onFetched } = this.#options;
    const signal = this.#stop.signal;
    const { blobs } = artifacts;
    if (await blobs.has(digest)) {
      try {
        return await blobs.get(digest);
      } catch (error) {
        logger.warn({ digest, code: ZkraftError.from(error).code }, 'a cached blob cannot be used; fetching it afresh');
      }
    }
    const open = async function* (offset: number): AsyncGenerator<BlobChunk> {
      yield* (await connected(signal)).fetchArtifact(digest, offset);
    };
    const onResume = (offset: number, error: ZkraftError): void =>
      logger.warn({ digest, offset, code: error.code }, 'download interrupted; resuming');
    const blob = await download({
      digest,
      bytesMax,
      ...(bytes === undefined ? {} : { bytes }),
      open,
      signal,
      backoff,
      clock,
      random,
      onResume,
    });
    onFetched(blob.length);
    logger.info({ digest, bytes: blob.length }, 'fetched a circuit file');
    await blobs.put(blob);
    return blob;
  }

  #note(circuitId: string, manifestDigest: string): void {
    this.#cached.set(circuitId, { circuitId, manifestDigest: fromHex(manifestDigest) });
  }
}

/** What proving needs; the r1cs is only for setups. */
const filesOf = ({ files }: CircuitManifest): CircuitManifest['files']['zkey'][] => [
  files.vkey,
  files.wasm,
  files.zkey,
  ...(files.wireNames ? [files.wireNames] : []),
];

const otherCircuit = (name: CircuitName, found: string): ZkraftError =>
  new ZkraftError(
    'invalid_input',
    `the manifest ${name.manifestDigest} is of circuit ${found}, but the task is for ${name.circuitId}`,
    { field: 'circuit.manifest_digest' },
  );
