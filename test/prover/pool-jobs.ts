/** Jobs for threads of one job. */
import { ZkraftError } from '../../src/common/index.ts';
import type { JobContext } from '../../src/prover/pool/index.ts';

export async function fill(count: number, context: JobContext): Promise<{ bytes: Uint8Array }> {
  context.progress(0.5);
  context.progress(1);
  return { bytes: new Uint8Array(count).fill(count) };
}

export async function refuse(): Promise<never> {
  throw new ZkraftError('compile_failed', 'as asked');
}

export async function die(): Promise<never> {
  process.exit(3);
}

export async function spin(): Promise<never> {
  for (;;);
}
