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
  const events: unknown[] = [];
  const onStage = (stage: unknown): void => {
    const event = { stage };
    events.push(event);
    say({ taskId: order.id, event });
  };
  try {
    performer ??= createPerformer();
    return { ok: await (await performer).perform(order.task, onStage), events };
  } catch (error) {
    return { error: ZkraftError.from(error).toJSON(), events };
  }
}

const say = (event: PoolEvent): void => parentPort?.postMessage(event);
