/** A pool's handler that does what a test asks of it, bad things included. */
import { parentPort, threadId } from 'node:worker_threads';
import type { PoolAnswer, PoolOrder } from '../../src/prover/pool/thread-pool.ts';

export type Deed =
  | { readonly do: 'answer'; readonly value: unknown }
  | { readonly do: 'wait'; readonly ms: number }
  /** `unsaid`: of the last, so many come with the answer only. */
  | { readonly do: 'say'; readonly events: readonly unknown[]; readonly unsaid?: number }
  | { readonly do: 'refuse' }
  | { readonly do: 'spin' }
  | { readonly do: 'exit' }
  | { readonly do: 'throw-later' };

export default async function handle({ id, task }: PoolOrder<Deed>): Promise<PoolAnswer> {
  switch (task.do) {
    case 'answer':
      return { ok: { value: task.value, threadId } };
    case 'wait':
      await new Promise((resolve) => setTimeout(resolve, task.ms));
      return { ok: threadId };
    case 'say':
      for (const event of task.events.slice(0, task.events.length - (task.unsaid ?? 0))) {
        parentPort?.postMessage({ taskId: id, event });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { ok: undefined, events: task.events };
    case 'refuse':
      return { error: { code: 'wrong_path', message: 'as asked', field: 'root' } };
    case 'spin':
      for (;;);
    case 'exit':
      process.exit(7);
      break;
    case 'throw-later':
      setTimeout(() => {
        throw new Error('nobody catches this');
      }, 1);
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      return { ok: undefined };
  }
  return { ok: undefined };
}
