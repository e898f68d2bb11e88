/** Which backends this build has, and which one `auto` means. */
import { ZkraftError } from '../common/index.ts';
import type { BackendChoice, BackendName } from './types.ts';

export interface BackendDescription {
  readonly name: BackendName;
  readonly available: boolean;
  /** For people: what it is, or why it cannot run here and what to do. */
  readonly detail: string;
}

const BACKENDS: readonly BackendDescription[] = [
  { name: 'snarkjs', available: true, detail: 'snarkjs and circomlibjs (GPL-3.0), the reference' },
  { name: 'wasm', available: false, detail: 'this version has no WebAssembly kernels; use snarkjs or auto' },
  { name: 'webgpu', available: false, detail: 'this version has no WebGPU kernels; use snarkjs or auto' },
];

export async function describeBackends(): Promise<readonly BackendDescription[]> {
  return BACKENDS;
}

/** Throws `backend_unavailable` with the remedy. */
export async function chooseBackend(choice: BackendChoice): Promise<BackendName> {
  const backends = await describeBackends();
  const chosen =
    choice === 'auto' ? backends.find(({ available }) => available) : backends.find((b) => b.name === choice);
  if (chosen?.available) return chosen.name;
  const why = chosen?.detail ?? 'the backends are auto, snarkjs, wasm and webgpu';
  throw new ZkraftError('backend_unavailable', `backend ${choice} cannot run here: ${why}`, { field: 'backend' });
}
