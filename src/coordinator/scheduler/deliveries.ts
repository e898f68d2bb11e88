/**
 * Gets an assignment onto its worker's stream: fetches the leaves, builds the message, pushes it.
 *
 * A push that fails is not retried here; the lease table notices that nothing was acknowledged and asks again, until
 * it gives the lease up. Leaves are cached by tree, since tasks of one submission share theirs.
 */
import type { Logger } from '../../common/index.ts';
import { fromHex } from '../../common/index.ts';
import type { ReceiveTasksResponse } from '../../common/rpc/index.ts';
import type { SchedulingStore } from '../../store/types.ts';
import type { Replica } from '../replica.ts';
import { type LeaseRef, type Task, taskUnder } from '../state/index.ts';
import type { LeaseTable } from './lease-table.ts';

/** The streams to the workers. */
export interface TaskChannel {
  /** False when the worker has no stream, or its queue is full. */
  push(workerId: string, message: ReceiveTasksResponse): boolean;
  isOpen(workerId: string): boolean;
}

export interface DeliveriesOptions {
  readonly replica: Replica;
  readonly store: Pick<SchedulingStore, 'leaves'>;
  readonly channel: TaskChannel;
  readonly leases: LeaseTable;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly logger: Logger;
}

const FETCHES_MAX = 8;
/** Trees of up to 1000 leaves, 32 KB each. */
const TREES_MAX = 256;

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #trees = new Map<string, Promise<Uint8Array>>();
  readonly #waiting = new Map<string, LeaseRef>();
  #running = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Queues the assignment; at most one a task waits, and no more than there are live leases. */
  send(lease: LeaseRef): void {
    this.#waiting.set(lease.taskId, lease);
    this.#next();
  }

  cancel(lease: LeaseRef, reason: string): void {
    const { channel, replica } = this.#options;
    const term = BigInt(replica.status().term);
    const value = { lease: { ...lease, epoch: BigInt(lease.epoch) }, reason };
    channel.push(lease.workerId, { term, event: { $case: 'cancellation', value } });
  }

  #next(): void {
    while (this.#running < FETCHES_MAX) {
      const first = this.#waiting.entries().next();
      if (first.done) return;
      const [taskId, lease] = first.value;
      this.#waiting.delete(taskId);
      this.#running += 1;
      this.#deliver(lease)
        .catch((error: unknown) => {
          this.#options.logger.warn({ err: error, task_id: taskId }, 'assignment not sent yet; trying again');
        })
        .finally(() => {
          this.#running -= 1;
          this.#next();
        });
    }
  }

  async #deliver(lease: LeaseRef): Promise<void> {
    const { replica, channel, leases, now, logger } = this.#options;
    const before = taskUnder(replica.state, lease);
    if (before === undefined || !channel.isOpen(lease.workerId)) return;
    const leaves = await this.leaves(before.spec.treeId);
    const task = taskUnder(replica.state, lease);
    if (task === undefined) return;
    if (channel.push(lease.workerId, this.#message(lease, task, leaves))) {
      leases.sent(lease, now());
      const fields = { request_id: task.spec.requestId, task_id: lease.taskId, worker_id: lease.workerId };
      logger.debug({ ...fields, attempt: lease.attempt }, 'assignment sent');
    }
  }

  #message(lease: LeaseRef, { spec }: Task, leaves: Uint8Array): ReceiveTasksResponse {
    const { replica, leaseMs, timeoutMs } = this.#options;
    return {
      term: BigInt(replica.status().term),
      event: {
        $case: 'assignment',
        value: {
          lease: { ...lease, epoch: BigInt(lease.epoch) },
          leaseMs: BigInt(leaseMs),
          timeoutMs: BigInt(timeoutMs),
          circuit: { circuitId: spec.circuitId, manifestDigest: fromHex(spec.circuitDigest) },
          requestId: spec.requestId,
          task: {
            $case: 'merkle',
            value: {
              depth: spec.depth,
              leafIndex: spec.leafIndex,
              leaves,
              root: Buffer.from(spec.root, 'base64'),
              externalHash: Buffer.from(spec.externalHash, 'base64'),
            },
          },
        },
      },
    };
  }

  /** Of the tree, 32 bytes each. */
  leaves(treeId: string): Promise<Uint8Array> {
    const known = this.#trees.get(treeId);
    if (known !== undefined) return known;
    const oldest = this.#trees.keys().next();
    if (this.#trees.size >= TREES_MAX && !oldest.done) this.#trees.delete(oldest.value);
    const fetched = this.#options.store.leaves(treeId);
    this.#trees.set(treeId, fetched);
    fetched.catch(() => this.#trees.delete(treeId));
    return fetched;
  }
}
