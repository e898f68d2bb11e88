/** The entry of a one-job thread (see one-shot.ts): loads the named export, runs it, says how it ended. */
import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { invariant, ZkraftError } from '../../common/index.ts';
import type { JobContext, JobMessage, JobOrder } from './one-shot.ts';

type Job = (args: unknown, context: JobContext) => Promise<unknown>;

const port = parentPort;
invariant(port, 'job-thread runs as a thread');
const send = (message: JobMessage, transfer: TransferListItem[] = []): void => port.postMessage(message, transfer);

/** The buffers of byte arrays at the top level that can be moved: whole, not shared. */
function movable(result: unknown): ArrayBuffer[] {
  if (typeof result !== 'object' || result === null) return [];
  const buffers = new Set<ArrayBuffer>();
  for (const value of Object.values(result)) {
    if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) continue;
    if (value.byteLength === value.buffer.byteLength) buffers.add(value.buffer);
  }
  return [...buffers];
}

try {
  const order = workerData as JobOrder;
  const loaded = (await import(order.moduleUrl)) as Record<string, unknown>;
  const job = loaded[order.exportName];
  invariant(typeof job === 'function', `${order.moduleUrl} exports ${order.exportName}`);
  const result = await (job as Job)(order.args, { progress: (report) => send({ kind: 'progress', report }) });
  send({ kind: 'done', result }, movable(result));
} catch (error) {
  send({ kind: 'failed', error: ZkraftError.from(error).toJSON() });
}
