/**
 * From a circuit's source to a pinned circuit: compile, make a key, check it, store, pin.
 *
 * A circuit that is pinned already is returned at once: keys are made once. When several set-ups of one circuit run
 * together, in one process or many, each makes a key, the first to pin wins, and all return that one. All heavy work
 * is in threads; aborting ends them and leaves nothing but blobs that nobody refers to.
 */
import { ZkraftError } from '../../common/index.ts';
import { allowedThreads, checkThreads } from '../allowed-threads.ts';
import {
  type ArtifactStore,
  type CircuitManifest,
  checkCircuitFiles,
  checkCircuitId,
  encodeManifest,
  type ManifestFile,
  type PinnedCircuit,
} from '../artifacts/index.ts';
import { parseR1cs, type VerificationKey } from '../formats/index.ts';
import { merkleCircuitDepth } from '../merkle/index.ts';
import { encodeWireNames, wireNamesOf } from '../merkle-witness/index.ts';
import { type JobContext, runInThread } from '../pool/index.ts';
import {
  chooseArithmetic,
  type Phase2Stage,
  phase2Setup,
  type SetupArithmetic,
  singlePartySetup,
} from '../setup/index.ts';
import { type CircomSource, compileCircuit } from './compile.ts';

export type SetUpStage = 'compile' | 'key' | 'check' | 'store' | 'done';

/** A circuit to make keys for: its source, or what a compiler made of it. */
export type CircuitSource =
  | { readonly circom: CircomSource }
  | {
      readonly r1cs: Uint8Array;
      readonly wasm: Uint8Array;
      /** Names of the public signals in order; default `public[0]` and so on. */
      readonly publicSignals?: readonly string[];
    };

export interface SetUpOptions {
  readonly artifacts: ArtifactStore;
  /** A prepared powers-of-tau file: the key is made by snarkjs's phase 2 instead of by one party from nothing. */
  readonly ptauPath?: string;
  /** That make the key; 0 to 64. 0: none but the one that waits for it. Default: what the cgroup or machine allows. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** `fraction` of the whole, from 0 to 1, never falling. */
  readonly onProgress?: (stage: SetUpStage, fraction: number) => void;
}

export interface SetUpCircuitOptions extends SetUpOptions {
  readonly circuitId: string;
  readonly source: CircuitSource;
  /** Only for the project's own circuit; see merkle-circuit.ts. */
  readonly merkleDepth?: number;
}

export interface SetUpResult extends PinnedCircuit {
  /** False when it was pinned before, or somebody else was faster. */
  readonly made: boolean;
}

/** Where each stage begins, as measured at depth 20; compiling is what takes time. */
const BEGINS: Readonly<Record<SetUpStage, number>> = { compile: 0, key: 0.52, check: 0.76, store: 0.99, done: 1 };

/**
 * Rejects with `compile_failed`, `r1cs_invalid`, `ptau_invalid`, `circuit_wasm_invalid`, `invalid_input` for `threads`,
 * `cancelled`, and as the store does.
 */
export async function setUpCircuit(options: SetUpCircuitOptions): Promise<SetUpResult> {
  const { artifacts, circuitId, source, merkleDepth, signal } = options;
  checkCircuitId(circuitId);
  if (options.threads !== undefined) checkThreads(options.threads, 'invalid_input');
  if (merkleCircuitDepth(circuitId) !== merkleDepth) {
    throw new ZkraftError(
      'invalid_request',
      `${circuitId} names the project's own circuit; choose another circuit id`,
      {
        field: 'circuitId',
      },
    );
  }
  const report = (stage: SetUpStage, fraction = 0): void => {
    const next = { compile: BEGINS.key, key: BEGINS.check, check: BEGINS.store, store: 1, done: 1 }[stage];
    options.onProgress?.(stage, BEGINS[stage] + (next - BEGINS[stage]) * fraction);
  };
  const step = (stage: SetUpStage): void => {
    if (signal?.aborted) throw new ZkraftError('cancelled', `the set-up of ${circuitId} was cancelled`);
    report(stage);
  };

  const before = await artifacts.circuits.find(circuitId);
  if (before) {
    report('done');
    return { ...before, made: false };
  }
  step('compile');
  const compiled = await filesOf(source, signal);
  step('key');
  const key = await makeKey(compiled.r1cs, options, (fraction) => report('key', fraction));
  step('check');
  const vkey = new TextEncoder().encode(`${JSON.stringify(key.verificationKey, null, 1)}\n`);
  const names = merkleDepth === undefined ? undefined : compiled.wireNames?.(key.wires);
  const wireNames = names && merkleDepth !== undefined ? { depth: merkleDepth, names } : undefined;
  await checkCircuitFiles({ zkey: key.zkey, wasm: compiled.wasm, vkey, ...(wireNames ? { wireNames } : {}) }, signal);
  step('store');
  const put = async (bytes: Uint8Array): Promise<ManifestFile> => ({
    digest: await artifacts.blobs.put(bytes),
    bytes: bytes.length,
  });
  const manifest: CircuitManifest = {
    version: 1,
    circuitId,
    circuitType: merkleDepth === undefined ? 'custom' : 'merkle',
    ...(merkleDepth === undefined ? {} : { depth: merkleDepth }),
    proofSystem: 'groth16',
    curve: 'bn254',
    // A phase 2 with one contribution needs one party's word as well: who knows its delta forges.
    trustedSetup: 'single-party',
    setupCheck: 'made-here',
    publicSignals: compiled.publicSignals(key.publics),
    constraints: key.constraints,
    wires: key.wires,
    createdAt: new Date().toISOString(),
    files: {
      r1cs: await put(compiled.r1cs),
      wasm: await put(compiled.wasm),
      zkey: await put(key.zkey),
      vkey: await put(vkey),
      ...(names ? { wireNames: await put(names) } : {}),
    },
  };
  const digest = await artifacts.blobs.put(encodeManifest(manifest));
  const pinned = await artifacts.circuits.pin(circuitId, digest);
  report('done');
  return { ...pinned, made: pinned.digest === digest };
}

interface Compiled {
  readonly r1cs: Uint8Array;
  readonly wasm: Uint8Array;
  publicSignals(count: number): readonly string[];
  /** Where the compiler's symbols are at hand. */
  wireNames?(wires: number): Uint8Array;
}

async function filesOf(source: CircuitSource, signal: AbortSignal | undefined): Promise<Compiled> {
  if ('circom' in source) {
    const { r1cs, wasm, symbols } = await compileCircuit(source.circom, { signal });
    return {
      r1cs,
      wasm,
      publicSignals: (count) => publicNames(symbols, count),
      wireNames: (wires) => encodeWireNames(symbols, wires),
    };
  }
  const { r1cs, wasm, publicSignals } = source;
  return {
    r1cs,
    wasm,
    publicSignals: (count) => publicSignals ?? Array.from({ length: count }, (_, i) => `public[${i}]`),
  };
}

/** Names of wires 1 to `count`, which are the outputs and then the public inputs, without `main.`. */
function publicNames(symbols: string, count: number): string[] {
  const [, ...names] = wireNamesOf(symbols, count + 1);
  return names.map((name, i) => name?.replace(/^main\./, '') ?? `public[${i}]`);
}

interface MadeKey {
  readonly zkey: Uint8Array;
  readonly verificationKey: VerificationKey;
  readonly constraints: number;
  readonly wires: number;
  readonly publics: number;
}

/** Hours for the largest circuits on one core. */
const KEY_TIMEOUT_MS = 6 * 3_600_000;

async function makeKey(
  r1cs: Uint8Array,
  options: SetUpOptions,
  onFraction: (fraction: number) => void,
): Promise<MadeKey> {
  const { ptauPath, signal } = options;
  const threads = options.threads ?? allowedThreads();
  // snarkjs's phase 2 runs in a process of its own; ours in a thread, from which it starts more.
  if (ptauPath === undefined) {
    // Chosen here: it may set flags of the whole process.
    const order: KeyOrder = { r1cs, threads, arithmetic: await chooseArithmetic() };
    return await runInThread(
      { moduleUrl: import.meta.url, exportName: 'makeKeyHere', args: order },
      (result) => result as MadeKey,
      { signal, timeoutMs: KEY_TIMEOUT_MS, onProgress: (fraction) => onFraction(fraction as number) },
    );
  }
  const { constraints, wires, publics } = parseR1cs(r1cs);
  const stages: Readonly<Record<Phase2Stage, number>> = { key: 0, contribution: 0.4, verification: 0.6 };
  const made = await phase2Setup(r1cs, ptauPath, {
    ...(signal ? { signal } : {}),
    timeoutMs: KEY_TIMEOUT_MS,
    onProgress: (stage) => onFraction(stages[stage]),
  });
  return { ...made, constraints, wires, publics };
}

interface KeyOrder {
  readonly r1cs: Uint8Array;
  readonly threads: number;
  readonly arithmetic: SetupArithmetic;
}

/** The job that `makeKey` runs in a thread. */
export async function makeKeyHere(order: KeyOrder, context: JobContext): Promise<MadeKey> {
  const { constraints, wires, publics } = parseR1cs(order.r1cs);
  const { zkey, verificationKey } = await singlePartySetup(order.r1cs, {
    threads: order.threads,
    arithmetic: order.arithmetic,
    onProgress: ({ done, total }) => context.progress(total > 0 ? done / total : 0),
  });
  return { zkey, verificationKey, constraints, wires, publics };
}
