/**
 * The manifest of a circuit as bytes: canonical JSON, whose SHA-256 names the circuit everywhere.
 *
 * Canonical means: keys sorted, no white space, UTF-8. One circuit has one encoding, so equal circuits made on two
 * machines have equal digests (but for `createdAt`). Reading is strict: every field, no other, each within its limits,
 * and the bytes must be the canonical encoding of what they say.
 */
import { DIGEST_HEX, ZkraftError } from '../../common/index.ts';
import { MERKLE_PUBLIC_SIGNALS, merkleCircuitDepth } from '../merkle/index.ts';
import { BLOB_BYTES_MAX } from './limits.ts';
import type { CircuitManifest, ManifestFile } from './types.ts';

/** Shorter than a digest, so that no circuit id can be taken for one. */
export const CIRCUIT_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const MANIFEST_BYTES_MAX = 64 * 1024;
const PUBLIC_SIGNALS_MAX = 1024;
const SIGNAL_NAME = /^[A-Za-z_$][A-Za-z0-9_$.[\]]{0,127}$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/;

/** Throws `invalid_request` for an id that cannot name a circuit. */
export function checkCircuitId(circuitId: string): void {
  if (!CIRCUIT_ID.test(circuitId)) {
    throw new ZkraftError(
      'invalid_request',
      `circuit id "${circuitId.slice(0, 80)}" is not 1 to 63 of [A-Za-z0-9._-]`,
      {
        field: 'circuitId',
      },
    );
  }
}

/** Throws `artifact_corrupt` when the manifest says what none may say. */
export function encodeManifest(manifest: CircuitManifest): Uint8Array {
  return new TextEncoder().encode(canonicalJson(checked(manifest)));
}

/** Throws `artifact_corrupt`. */
export function parseManifest(bytes: Uint8Array): CircuitManifest {
  if (bytes.length > MANIFEST_BYTES_MAX) refuse(`has ${bytes.length} bytes; at most ${MANIFEST_BYTES_MAX} are read`);
  let json: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    throw new ZkraftError('artifact_corrupt', 'the circuit manifest is not JSON', { cause });
  }
  const manifest = checked(json);
  if (canonicalJson(manifest) !== text) refuse('is not in canonical form');
  return manifest;
}

function refuse(why: string): never {
  throw new ZkraftError('artifact_corrupt', `the circuit manifest ${why}`, { field: 'manifest' });
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${canonicalJson(part)}`).join(',')}}`;
}

const KEYS = [
  'version',
  'circuitId',
  'circuitType',
  'proofSystem',
  'curve',
  'trustedSetup',
  'setupCheck',
  'publicSignals',
  'constraints',
  'wires',
  'createdAt',
  'files',
] as const;

function objectWith(json: unknown, what: string, required: readonly string[], optional: readonly string[] = []) {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) refuse(`has no object for ${what}`);
  const object = json as Record<string, unknown>;
  const missing = required.find((key) => !Object.hasOwn(object, key));
  if (missing) refuse(`lacks ${what}.${missing}`);
  const unknown = Object.keys(object).find((key) => !required.includes(key) && !optional.includes(key));
  if (unknown) refuse(`has an unknown field ${what}.${unknown.slice(0, 40)}`);
  return object;
}

function oneOf<const T extends string | number>(value: unknown, field: string, values: readonly T[]): T {
  const found = values.find((each) => each === value);
  if (found === undefined) return refuse(`says a ${field} that is none of ${values.join(', ')}`);
  return found;
}

function count(value: unknown, field: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    return refuse(`says a ${field} that is not a whole number from 0 to ${max}`);
  }
  return value;
}

function text(value: unknown, field: string, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) return refuse(`says a ${field} that is malformed`);
  return value;
}

function file(json: unknown, what: string): ManifestFile {
  const object = objectWith(json, what, ['digest', 'bytes']);
  return {
    digest: text(object.digest, `${what}.digest`, DIGEST_HEX),
    bytes: count(object.bytes, `${what}.bytes`, BLOB_BYTES_MAX),
  };
}

/** The manifest that `json` is, rebuilt from its checked fields. */
function checked(json: unknown): CircuitManifest {
  const object = objectWith(json, 'manifest', KEYS, ['depth']);
  const files = objectWith(object.files, 'files', ['r1cs', 'wasm', 'zkey', 'vkey'], ['wireNames']);
  const signals = object.publicSignals;
  if (!Array.isArray(signals) || signals.length > PUBLIC_SIGNALS_MAX) {
    refuse(`does not list up to ${PUBLIC_SIGNALS_MAX} public signals`);
  }
  const manifest: CircuitManifest = {
    version: oneOf(object.version, 'version', [1]),
    circuitId: text(object.circuitId, 'circuitId', CIRCUIT_ID),
    circuitType: oneOf(object.circuitType, 'circuitType', ['merkle', 'custom']),
    ...(object.depth === undefined ? {} : { depth: count(object.depth, 'depth', 32) }),
    proofSystem: oneOf(object.proofSystem, 'proofSystem', ['groth16']),
    curve: oneOf(object.curve, 'curve', ['bn254']),
    trustedSetup: oneOf(object.trustedSetup, 'trustedSetup', ['single-party', 'ceremony', 'unknown']),
    setupCheck: oneOf(object.setupCheck, 'setupCheck', ['made-here', 'verified', 'unverified']),
    publicSignals: (signals as unknown[]).map((name, i) => text(name, `publicSignals[${i}]`, SIGNAL_NAME)),
    constraints: count(object.constraints, 'constraints', 2 ** 28),
    wires: count(object.wires, 'wires', 2 ** 28),
    createdAt: text(object.createdAt, 'createdAt', TIMESTAMP),
    files: {
      r1cs: file(files.r1cs, 'files.r1cs'),
      wasm: file(files.wasm, 'files.wasm'),
      zkey: file(files.zkey, 'files.zkey'),
      vkey: file(files.vkey, 'files.vkey'),
      ...(files.wireNames === undefined ? {} : { wireNames: file(files.wireNames, 'files.wireNames') }),
    },
  };
  checkMerkle(manifest);
  return manifest;
}

/** What callers conclude from an id alone (`merkle-20` is a tree of depth 20) must be what the manifest says. */
function checkMerkle({ circuitId, circuitType, depth, publicSignals, files }: CircuitManifest): void {
  const named = merkleCircuitDepth(circuitId);
  if (circuitType === 'custom') {
    if (named !== undefined) refuse(`calls a custom circuit ${circuitId}`);
    if (depth !== undefined) refuse('gives a custom circuit a depth');
    if (files.wireNames !== undefined) refuse('gives a custom circuit wire names');
    return;
  }
  if (named === undefined || named !== depth) refuse(`calls a Merkle circuit of depth ${depth} ${circuitId}`);
  if (publicSignals.join() !== MERKLE_PUBLIC_SIGNALS.join())
    refuse('lists other public signals than the Merkle circuit');
}
