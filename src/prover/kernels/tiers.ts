/**
 * Which kernels this process computes with, chosen once, on the main thread, before any of them is compiled.
 *
 *   fma2   f64 lanes with fused multiply-add, two to a vector: relaxed SIMD, which Node 20 has behind a flag that can
 *          be set at run time, and which must really fuse, or the arithmetic is wrong and not slow
 *   fma4   the same, four lanes in two vectors that V8 joins under an experimental flag of the whole process: never
 *          chosen by itself, and kept only where it is at least 1.3 times as fast as two lanes
 *   int2   integer lanes: plain SIMD, everywhere
 * Whatever is chosen has given known answers right, and the fma2 module is the faster of the two by a timed loop.
 */
import v8 from 'node:v8';
import { ZkraftError } from '../../common/index.ts';
import { createKernelMemory, instantiateKernels, type KernelModule, type Kernels } from './kernels.ts';
import { findWrongAnswer } from './known-answers.ts';
import { RESERVED_BYTES } from './layout-constants.ts';
import { loadKernelModule } from './load.ts';
import type { KernelModuleName } from './modules.ts';
import { fusesMultiplyAdd, hasRelaxedSimd, requireKnownAnswers } from './probe.ts';

export const KERNEL_CHOICES = ['auto', 'fma2', 'fma4', 'int2'] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

export interface SelectedKernels {
  readonly kernel: KernelModule;
  /** Of two lanes, for the pairing, which four gain nothing for: the same one where it has two. */
  readonly verifying: KernelModule;
  /** Nanoseconds a product of Fq in the probe: an indication, not a measurement. */
  readonly productNs: number;
  /** For people: what was tried and what came of it, in order. */
  readonly reasons: readonly string[];
}

const PROBE_PACKS = 48;
const PROBE_ROUNDS = 400;
const FOUR_LANES_GAIN = 1.3;
/** Of Node 24, the first that joins halves at all. */
const FOUR_LANES_V8_MIN = 13;
/**
 * It once joined halves of a product of Fq2 that were none (generator/field-kernels.ts): wrong from the 14th round on, when
 * V8 had compiled kernels anew. A fifth of a second in all.
 */
const OPTIMIZING_ROUNDS = 60;

const selections = new Map<KernelChoice, Promise<SelectedKernels>>();

/** Rejects with `backend_unavailable` when the choice cannot be had here. Asked again, answers the same. */
export function selectKernels(choice: KernelChoice = 'auto'): Promise<SelectedKernels> {
  let selection = selections.get(choice);
  if (selection === undefined) {
    selection = select(choice);
    selections.set(choice, selection);
  }
  return selection;
}

async function select(choice: KernelChoice): Promise<SelectedKernels> {
  const reasons: string[] = [];
  const say = (reason: string): void => {
    reasons.push(reason);
  };
  const chosen = (found: Tried, two = found): SelectedKernels => ({ ...found, verifying: two.kernel, reasons });
  if (choice === 'int2') return chosen(await tried('int2-memory', say));
  const relaxed = enableRelaxedSimd(say);
  if (choice === 'fma4') {
    if (!relaxed) throw unavailable(choice, reasons);
    const two = await fasterOf(['fma2-memory', 'fma2-locals'], say);
    return chosen(await fourLanes(two, say, reasons), two);
  }
  if (relaxed) {
    const found = await fasterOf(byEngine(), say).catch((error: unknown) => {
      if (choice === 'fma2') throw error;
      say(`fma2: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    });
    if (found !== undefined) return chosen(found);
  }
  if (choice === 'fma2') throw unavailable(choice, reasons);
  return chosen(await tried('int2-memory', say));
}

const unavailable = (choice: KernelChoice, reasons: readonly string[]): ZkraftError =>
  new ZkraftError('backend_unavailable', `kernel ${choice} cannot run here: ${reasons.join('; ')}; use auto`, {
    field: 'kernel',
  });

/** The one that this engine's compiler is likely to favour comes first. */
function byEngine(): readonly KernelModuleName[] {
  const major = Number(process.versions.v8.split('.')[0]);
  return major >= 13 ? ['fma2-memory', 'fma2-locals'] : ['fma2-locals', 'fma2-memory'];
}

function enableRelaxedSimd(say: (reason: string) => void): boolean {
  if (!hasRelaxedSimd()) {
    // Later engines do not know the flag and print so: it is set only where the probe asks for it.
    v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
    if (!hasRelaxedSimd()) {
      say('relaxed SIMD is not in this engine');
      return false;
    }
    say('relaxed SIMD: switched on by a flag of this engine');
  } else {
    say('relaxed SIMD: there');
  }
  const fused = fusesMultiplyAdd();
  say(fused ? 'multiply-add: fused' : 'multiply-add: not fused on this processor');
  return fused;
}

interface Tried {
  readonly kernel: KernelModule;
  readonly productNs: number;
}

async function tried(name: KernelModuleName, say: (reason: string) => void): Promise<Tried> {
  const kernel = await loadKernelModule(name);
  const kernels = await instantiateKernels(kernel, createKernelMemory());
  requireKnownAnswers(kernels);
  const productNs = timeProducts(kernels);
  say(`${name}: known answers right, ${productNs.toFixed(1)} ns a product`);
  return { kernel, productNs };
}

async function fasterOf(names: readonly KernelModuleName[], say: (reason: string) => void): Promise<Tried> {
  let best: Tried | undefined;
  for (const name of names) {
    const one = await tried(name, say);
    // The first is taken unless another is clearly faster: the loop is short and machines are noisy.
    if (best === undefined || one.productNs < 0.9 * best.productNs) best = one;
  }
  return best as Tried;
}

async function fourLanes(two: Tried, say: (reason: string) => void, reasons: readonly string[]): Promise<Tried> {
  if (process.arch !== 'x64' || Number(process.versions.v8.split('.')[0]) < FOUR_LANES_V8_MIN) {
    say(`fma4: needs V8 ${FOUR_LANES_V8_MIN} (Node 24) or newer on x64`);
    throw unavailable('fma4', reasons);
  }
  v8.setFlagsFromString('--experimental-wasm-revectorize');
  const four = await tried('fma4-memory', say);
  const wrong = await findWrongOnceOptimized(four.kernel);
  if (wrong !== undefined) {
    say(`fma4: ${wrong} is wrong once it is optimized`);
    throw unavailable('fma4', reasons);
  }
  if (four.productNs * FOUR_LANES_GAIN > two.productNs) {
    say(`fma4: not ${FOUR_LANES_GAIN} times as fast as two lanes`);
    throw unavailable('fma4', reasons);
  }
  return four;
}

/** Known answers again and again, with pauses in which new code comes into use: V8's joining is part of optimizing. */
async function findWrongOnceOptimized(kernel: KernelModule): Promise<string | undefined> {
  const kernels = await instantiateKernels(kernel, createKernelMemory());
  for (let round = 0; round < OPTIMIZING_ROUNDS; round++) {
    const wrong = findWrongAnswer(kernels);
    if (wrong !== undefined) return wrong;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return undefined;
}

/** The best of some rounds over packs that stay in the first cache, after enough of them for the optimizing compiler. */
function timeProducts({ exports, lanes, packBytes, memory }: Kernels): number {
  const bytes = PROBE_PACKS * packBytes;
  const [x, y, z] = [RESERVED_BYTES, RESERVED_BYTES + bytes + 128, RESERVED_BYTES + 2 * bytes + 256];
  const needed = z + bytes;
  if (needed > memory.buffer.byteLength) memory.grow(Math.ceil((needed - memory.buffer.byteLength) / 65_536));
  new Uint8Array(memory.buffer).fill(0, x, y + bytes);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < PROBE_ROUNDS; round++) {
    const beganAtMs = performance.now();
    for (let i = 0; i < 4; i++) exports.fq_mul_n(z, x, y, PROBE_PACKS);
    best = Math.min(best, (performance.now() - beganAtMs) * 1e6);
  }
  return best / (4 * PROBE_PACKS * lanes);
}
