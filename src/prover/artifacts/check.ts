/**
 * The full check of a proving key and its witness program, in a thread of its own: a second for 25,000 points.
 */
import { ZkraftError } from '../../common/index.ts';
import { parseVerificationKey, parseZkey, type VerificationKey } from '../formats/index.ts';
import { loadKernelModule } from '../kernels/index.ts';
import { agreesWithProgram, type MerkleWireMap, mapMerkleWires, parseWireNames } from '../merkle-witness/index.ts';
import { runInThread } from '../pool/index.ts';
import { checkProvingKey } from '../setup/index.ts';
import { WitnessProgram } from '../witness/index.ts';

export interface CircuitFiles {
  readonly zkey: Uint8Array;
  readonly wasm: Uint8Array;
  /** JSON, as bytes: when given, it must be the key that the zkey contains. */
  readonly vkey?: Uint8Array;
  /** Of the Merkle circuit of that depth: when given, they must be those of the witness program. */
  readonly wireNames?: { readonly depth: number; readonly names: Uint8Array };
}

export interface CheckedFiles {
  readonly verificationKey: VerificationKey;
  readonly wires: number;
  /** From `wireNames`, where all of them are known and SIMD is there to fill witnesses with. */
  readonly merkleWires?: MerkleWireMap;
}

/** A function that gives sixteen zeros: no processor without SIMD has engines that take it. */
const SIMD_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 5, 1, 96, 0, 1, 123],
  ...[3, 2, 1, 0],
  ...[10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
);

/** 2^20 constraints take a minute or two. */
const CHECK_TIMEOUT_MS = 1_800_000;

/**
 * Rejects with `zkey_invalid`, `key_refused`, `circuit_wasm_invalid` (also when it is of another circuit than the
 * zkey), `vkey_invalid`, `artifact_corrupt` (wire names), `cancelled`.
 */
export function checkCircuitFiles(files: CircuitFiles, signal?: AbortSignal): Promise<CheckedFiles> {
  return runInThread(
    { moduleUrl: import.meta.url, exportName: 'checkHere', args: files },
    (result) => result as CheckedFiles,
    { signal, timeoutMs: CHECK_TIMEOUT_MS },
  );
}

/** The job that `checkCircuitFiles` runs in a thread. */
export async function checkHere({ zkey, wasm, vkey, wireNames }: CircuitFiles): Promise<CheckedFiles> {
  // What is cheap to see wrong comes first.
  const { header } = parseZkey(zkey, { level: 'header' });
  const program = new WitnessProgram(wasm);
  if (program.wires !== header.wires) {
    throw new ZkraftError(
      'circuit_wasm_invalid',
      `the witness program is of another circuit than the zkey: it has ${program.wires} wires, the zkey ${header.wires}`,
      { field: 'wasm' },
    );
  }
  const merkleWires = wireNames && (await checkedWires(wireNames, program));
  const verificationKey = checkProvingKey(zkey, vkey === undefined ? undefined : parseVerificationKey(jsonOf(vkey)));
  return { verificationKey, wires: header.wires, ...(merkleWires ? { merkleWires } : {}) };
}

/** A name that is not known here is no fault (another compiler kept another signal): then circom's program is used. */
async function checkedWires(
  { depth, names }: NonNullable<CircuitFiles['wireNames']>,
  program: WitnessProgram,
): Promise<MerkleWireMap | undefined> {
  const parsed = parseWireNames(names);
  const refuse = (why: string): never => {
    throw new ZkraftError(
      'artifact_corrupt',
      `the wire names are of another circuit than the witness program: ${why}`,
      {
        field: 'wireNames',
      },
    );
  };
  if (parsed.length !== program.wires) refuse(`they are ${parsed.length}, its wires ${program.wires}`);
  const map = mapMerkleWires(parsed, depth);
  if (map === undefined || !WebAssembly.validate(SIMD_PROBE)) return undefined;
  // On integers, as no flag of the engine must be set for it. Of kernels that are missing or damaged the error says so.
  const module = await loadKernelModule('int2-memory');
  if (!(await agreesWithProgram(map, program, module))) refuse('the witnesses differ');
  return map;
}

function jsonOf(vkey: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(vkey));
  } catch (cause) {
    throw new ZkraftError('vkey_invalid', 'the verification key is not JSON', { field: 'vkey', cause });
  }
}
