/** What worker tests are made of: a prover that obeys, circuits without keys, assignments. */
import { randomUUID } from 'node:crypto';
import { fromHex, packElements, sha256Hex, toBytesBE, ZkraftError } from '../../src/common/index.ts';
import { silentLogger } from '../../src/common/logging/index.ts';
import type { Lease, TaskAssignment } from '../../src/common/rpc/index.ts';
import type { ArtifactStore, BlobStore, CircuitManifest, PinnedCircuit } from '../../src/prover/artifacts/types.ts';
import type { Groth16Proof } from '../../src/prover/formats/snarkjs-json.ts';
import { encodeManifest, MERKLE_PUBLIC_SIGNALS } from '../../src/prover/index.ts';
import type { MerkleStatement, ProveOptions, ProveResult, Prover } from '../../src/prover/types.ts';
import { startWorker, type Worker, type WorkerOptions } from '../../src/worker/index.ts';

/** The generators of G1 and G2 stand for a proof: points on the curve, so that they can be encoded. */
export const SOME_PROOF: Groth16Proof = {
  pi_a: ['1', '2', '1'],
  pi_b: [
    [
      '10857046999023057135944570762232829481370756359578518086990519993285655852781',
      '11559732032986387107991004021392285783925812861821192530917403151452391805634',
    ],
    [
      '8495653923123431417604973247489272438418190587263600148770280649306958101930',
      '4082367875863433681332203403145435568316851327593401208105741076214120093531',
    ],
    ['1', '0'],
  ],
  pi_c: ['1', '2', '1'],
  protocol: 'groth16',
  curve: 'bn128',
};

export interface FakeProver extends Prover {
  readonly statements: MerkleStatement[];
  /** How many proofs are being made now, and the most there were at once. */
  active: number;
  activeMax: number;
  /** What `proveMerkle` does; default: answers at once. */
  behave: (statement: MerkleStatement, options: ProveOptions) => Promise<void>;
}

export const resultOf = (statement: MerkleStatement): ProveResult => ({
  proof: SOME_PROOF,
  publicSignals: [String(statement.root), String(statement.externalHash)],
  backend: 'snarkjs',
  timings: { queueMs: 0, witnessMs: 1.4, proveMs: 2, verifyMs: 3 },
});

export function fakeProver(threads = 2): FakeProver {
  const unused = (): never => {
    throw new Error('not used by workers');
  };
  const prover: FakeProver = {
    backend: 'snarkjs',
    threads,
    statements: [],
    active: 0,
    activeMax: 0,
    behave: async () => undefined,
    async proveMerkle(_circuit, statement, options = {}) {
      prover.statements.push(statement);
      prover.active += 1;
      prover.activeMax = Math.max(prover.activeMax, prover.active);
      try {
        await prover.behave(statement, options);
      } finally {
        prover.active -= 1;
      }
      return resultOf(statement);
    },
    warm: unused,
    prove: unused,
    verify: unused,
    verifyBatch: unused,
    merkleRoot: unused,
    merklePath: unused,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return prover;
}

/** A promise that the test resolves, and that rejects when the signal fires as a prover does. */
export function gate(): { readonly open: () => void; readonly wait: (options?: ProveOptions) => Promise<void> } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    open: () => open(),
    wait: ({ signal } = {}) =>
      new Promise((resolve, reject) => {
        const stop = (): void => reject(new ZkraftError('prover_aborted', 'aborted'));
        if (signal?.aborted) stop();
        signal?.addEventListener('abort', stop, { once: true });
        void opened.then(resolve);
      }),
  };
}

export interface MemoryArtifacts extends ArtifactStore {
  readonly stored: Map<string, Uint8Array>;
  readonly pinned: Map<string, string>;
}

export function memoryArtifacts(): MemoryArtifacts {
  const stored = new Map<string, Uint8Array>();
  const pinned = new Map<string, string>();
  const found = (digest: string): Uint8Array => {
    const blob = stored.get(digest);
    if (blob === undefined) throw new ZkraftError('artifact_not_found', digest);
    return blob;
  };
  const blobs: BlobStore = {
    async put(bytes) {
      stored.set(sha256Hex(bytes), bytes);
      return sha256Hex(bytes);
    },
    has: async (digest) => stored.has(digest),
    size: async (digest) => found(digest).length,
    async *read(digest, offset = 0) {
      yield found(digest).subarray(offset);
    },
    async get(digest) {
      const blob = found(digest);
      if (sha256Hex(blob) !== digest) throw new ZkraftError('artifact_corrupt', digest);
      return blob;
    },
  };
  const circuitOf = (circuitId: string, digest: string): PinnedCircuit => ({
    circuitId,
    digest,
    manifest: JSON.parse(new TextDecoder().decode(found(digest))) as CircuitManifest,
  });
  return {
    stored,
    pinned,
    blobs,
    circuits: {
      async pin(circuitId, digest) {
        if (!pinned.has(circuitId)) pinned.set(circuitId, digest);
        return circuitOf(circuitId, pinned.get(circuitId) ?? digest);
      },
      find: async (circuitId) => {
        const digest = pinned.get(circuitId);
        return digest === undefined ? undefined : circuitOf(circuitId, digest);
      },
      list: async () => [...pinned].map(([circuitId, digest]) => circuitOf(circuitId, digest)),
    },
  };
}

export interface FakeCircuit {
  readonly circuitId: string;
  readonly depth: number;
  readonly digest: string;
  /** Manifest, vkey, wasm and zkey by digest. */
  readonly blobs: Map<string, Uint8Array>;
  readonly zkeyDigest: string;
}

/** A circuit whose files are bytes of no meaning; `zkeyBytes` of them in the largest. */
export function fakeCircuit(depth = 4, zkeyBytes = 200_000): FakeCircuit {
  const blobs = new Map<string, Uint8Array>();
  const file = (bytes: Uint8Array): { digest: string; bytes: number } => {
    blobs.set(sha256Hex(bytes), bytes);
    return { digest: sha256Hex(bytes), bytes: bytes.length };
  };
  const noise = (length: number, seed: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) & 0xff);
  const files = {
    r1cs: file(noise(100, depth)),
    wasm: file(noise(5_000, depth + 1)),
    vkey: file(noise(900, depth + 2)),
    zkey: file(noise(zkeyBytes, depth + 3)),
  };
  const circuitId = `merkle-${depth}`;
  const manifest: CircuitManifest = {
    version: 1,
    circuitId,
    circuitType: 'merkle',
    depth,
    proofSystem: 'groth16',
    curve: 'bn254',
    trustedSetup: 'single-party',
    setupCheck: 'made-here',
    publicSignals: MERKLE_PUBLIC_SIGNALS,
    constraints: 10,
    wires: 10,
    createdAt: '2026-01-01T00:00:00.000Z',
    files,
  };
  const { digest } = file(encodeManifest(manifest));
  return { circuitId, depth, digest, blobs, zkeyDigest: files.zkey.digest };
}

/** In place of the prover's loader, which would look into the keys. */
export const loadFakeCircuit: WorkerOptions['loadCircuit'] = async (artifacts, { circuitId, digest, manifest }) => ({
  digest,
  circuitId,
  zkey: await artifacts.blobs.get(manifest.files.zkey.digest),
  wasm: await artifacts.blobs.get(manifest.files.wasm.digest),
  verificationKey: {} as never,
});

let epoch = 100n;

export const leaseFor = (workerId: string, taskId: string = randomUUID()): Lease => {
  epoch += 1n;
  return { taskId, workerId, attempt: 1, epoch };
};

export function assignmentFor(workerId: string, circuit: FakeCircuit, leaves: readonly bigint[] = [5n, 6n, 7n]) {
  const assignment: TaskAssignment & { lease: Lease } = {
    lease: leaseFor(workerId),
    leaseMs: 30_000n,
    timeoutMs: 60_000n,
    circuit: { circuitId: circuit.circuitId, manifestDigest: fromHex(circuit.digest) },
    requestId: 'req-1',
    task: {
      $case: 'merkle',
      value: {
        depth: circuit.depth,
        leafIndex: 1,
        leaves: packElements(leaves),
        root: toBytesBE(1234n),
        externalHash: toBytesBE(0n),
      },
    },
  };
  return assignment;
}

export type StartOverrides = Partial<WorkerOptions> & { readonly coordinatorAddresses: readonly string[] };

/** A worker with fakes for everything that is not given, and back-off short enough for tests. */
export function startTestWorker(overrides: StartOverrides): Promise<Worker> {
  return startWorker({
    id: 'w1',
    prover: fakeProver(),
    artifacts: memoryArtifacts(),
    loadCircuit: loadFakeCircuit,
    softwareVersion: '0.0.0',
    logger: silentLogger,
    backoff: { initialMs: 5, capMs: 40 },
    drainMs: 1_000,
    flushMs: 1_000,
    ...overrides,
  });
}
