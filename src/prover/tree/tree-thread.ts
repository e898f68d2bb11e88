/** The module that a tree's threads run: a block at a time, hashed where it lies. */
import { workerData } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import type { KernelModule } from '../kernels/index.ts';
import type { PoolAnswer, PoolOrder } from '../pool/thread-pool.ts';
import { LaneHasher } from '../wasm/index.ts';
import { type BlockWork, hashBlock } from './block.ts';

export interface TreeThreadData {
  readonly kernel: KernelModule;
}

let hasher: Promise<LaneHasher> | undefined;

export default async function handle(order: PoolOrder<BlockWork>): Promise<PoolAnswer> {
  try {
    hasher ??= LaneHasher.create((workerData as TreeThreadData).kernel);
    hashBlock(await hasher, order.task);
    return { ok: undefined };
  } catch (error) {
    return { error: ZkraftError.from(error).toJSON() };
  }
}
