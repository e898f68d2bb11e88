/**
 * The module that a proving thread runs: one task at a time, never throwing (see thread-pool.ts). What it does with them
 * is performer.ts's.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { ZkraftError } from '../../common/index.ts';
import { WasmThread, type WasmThreadData } from '../wasm/index.ts';
import { Performer } from './performer.ts';
import type { ProvingTask } from './tasks.ts';
import type { PoolAnswer, PoolEvent, PoolOrder } from './thread-pool.ts';

export interface ProvingThreadData {
  readonly wasm?: WasmThreadData;
}

let performer: Promise<Performer> | undefined;

async function createPerformer(): Promise<Performer> {
  const { wasm } = (workerData ?? {}) as ProvingThreadData;
  return new Performer(wasm && (await WasmThread.create(wasm)));
}

export default async function handle(order: PoolOrder<ProvingTask>): Promise<PoolAnswer> {
  try {
    performer ??= createPerformer();
    const onStage = (stage: unknown): void => say({ taskId: order.id, event: { stage } });
    return { ok: await (await performer).perform(order.task, onStage) };
  } catch (error) {
    return { error: ZkraftError.from(error).toJSON() };
  }
}

const say = (event: PoolEvent): void => parentPort?.postMessage(event);
