/** Which backends this build has, what they can do here, and which one `auto` means. */
import { ZkraftError } from '../common/index.ts';
import { type KernelChoice, type SelectedKernels, selectKernels } from './kernels/index.ts';
import type { BackendChoice, BackendName } from './types.ts';

export interface BackendDescription {
  readonly name: BackendName;
  readonly available: boolean;
  /** For people: what it is, or why it cannot run here and what to do. */
  readonly detail: string;
}

/** A backend, with the kernels it computes with. */
export interface ChosenBackend {
  readonly name: BackendName;
  readonly selected?: SelectedKernels;
}

const SNARKJS: BackendDescription = {
  name: 'snarkjs',
  available: true,
  detail: 'snarkjs and circomlibjs (GPL-3.0), the reference',
};
const WEBGPU: BackendDescription = {
  name: 'webgpu',
  available: false,
  detail: 'this version has no WebGPU kernels; use wasm or auto',
};

/** The first that is available is what `auto` means. */
export async function describeBackends(kernel: KernelChoice = 'auto'): Promise<readonly BackendDescription[]> {
  return [await describeWasm(kernel), SNARKJS, WEBGPU];
}

async function describeWasm(choice: KernelChoice): Promise<BackendDescription> {
  try {
    const { kernel, reasons } = await selectKernels(choice);
    return { name: 'wasm', available: true, detail: `kernels ${kernel.name}: ${reasons.join('; ')}` };
  } catch (error) {
    return { name: 'wasm', available: false, detail: `${ZkraftError.from(error).message}; snarkjs runs everywhere` };
  }
}

/** Throws `backend_unavailable` with the remedy. */
export async function chooseBackend(choice: BackendChoice, kernel: KernelChoice = 'auto'): Promise<ChosenBackend> {
  if (choice === 'wasm') return { name: choice, selected: await selectKernels(kernel) };
  if (choice === 'snarkjs') return { name: choice };
  const backends = await describeBackends(kernel);
  const chosen =
    choice === 'auto' ? backends.find(({ available }) => available) : backends.find((b) => b.name === choice);
  if (chosen?.available) {
    return chosen.name === 'wasm' ? { name: 'wasm', selected: await selectKernels(kernel) } : { name: chosen.name };
  }
  const why = chosen?.detail ?? 'the backends are auto, snarkjs, wasm and webgpu';
  throw new ZkraftError('backend_unavailable', `backend ${choice} cannot run here: ${why}`, { field: 'backend' });
}
