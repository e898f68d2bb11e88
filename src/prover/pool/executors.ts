/** The two executors of proving tasks: threads of proving-thread.ts, or the same performer on the caller's thread. */
import { ZkraftError } from '../../common/index.ts';
import { WasmThread, type WasmThreadData } from '../wasm/index.ts';
import type { TaskExecutor } from './executor.ts';
import { InlineExecutor } from './inline-executor.ts';
import { Performer } from './performer.ts';
import type { ProvingThreadData } from './proving-thread.ts';
import type { ProvingTask } from './tasks.ts';
import { siblingModule } from './thread-files.ts';
import { ThreadPool } from './thread-pool.ts';

export interface ThreadsOptions {
  readonly threads: number;
  readonly queueMax: number;
  /** What the `wasm` backend gives to each thread. */
  readonly wasm: WasmThreadData | undefined;
}

export function createThreads({ threads, queueMax, wasm }: ThreadsOptions): TaskExecutor<ProvingTask> {
  const workerData: ProvingThreadData = wasm ? { wasm } : {};
  const file = siblingModule(import.meta.url, 'proving-thread');
  return new ThreadPool<ProvingTask>({ file, threads, queueMax, workerData });
}

export async function createInlineExecutor(
  queueMax: number,
  wasm: WasmThreadData | undefined,
): Promise<TaskExecutor<ProvingTask>> {
  const performer = new Performer(wasm && (await WasmThread.create(wasm)));
  return new InlineExecutor<ProvingTask>({
    queueMax,
    handle: async (task, onEvent) => {
      try {
        return { ok: await performer.perform(task, (stage) => onEvent({ stage })) };
      } catch (error) {
        return { error: ZkraftError.from(error).toJSON() };
      }
    },
  });
}
