/** Small Merkle circuits with keys, made once for a test file, and circomlibjs's Poseidon as oracle. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ArtifactStore,
  type CircuitArtifacts,
  loadCircuit,
  openDirectoryArtifacts,
  setUpMerkleCircuit,
} from '../../src/prover/index.ts';

export interface MerkleKeys {
  readonly store: ArtifactStore;
  readonly dir: string;
  readonly circuits: ReadonlyMap<number, CircuitArtifacts>;
  remove(): Promise<void>;
}

export async function makeMerkleKeys(...depths: readonly number[]): Promise<MerkleKeys> {
  const dir = await temporaryDir();
  const store = await openDirectoryArtifacts(dir);
  const circuits = new Map<number, CircuitArtifacts>();
  for (const depth of depths) {
    circuits.set(depth, await loadCircuit(store, await setUpMerkleCircuit({ depth, artifacts: store })));
  }
  return { store, dir, circuits, remove: () => rm(dir, { recursive: true, force: true }) };
}

export const temporaryDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'zkraft-test-artifacts-'));

type OracleHash = (left: bigint, right: bigint) => bigint;

/** circomlibjs's Poseidon(2), asked directly. */
export async function oraclePoseidon(): Promise<OracleHash> {
  const { buildPoseidon } = await import('circomlibjs');
  const poseidon = await buildPoseidon();
  return (left, right) => poseidon.F.toObject(poseidon([left, right]));
}

/** All 2^depth positions hashed level by level, with nothing clever: what the tree of the code must agree with. */
export function naiveLevels(hash: OracleHash, leaves: readonly bigint[], depth: number): bigint[][] {
  let level = Array.from({ length: 2 ** depth }, (_, i) => leaves[i] ?? 0n);
  const levels = [level];
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, i) => hash(below[2 * i] ?? 0n, below[2 * i + 1] ?? 0n));
    levels.push(level);
  }
  return levels;
}

/** circomlib's circuits, for sources that a test compiles itself. */
export const circomlib = (): string =>
  join(createRequire(import.meta.url).resolve('circomlib/package.json'), '..', 'circuits');
