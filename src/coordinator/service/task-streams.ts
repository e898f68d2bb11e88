/**
 * The open task streams, one a worker.
 *
 * A newer stream of a worker ends the older one; the end of an older one never removes the newer (it is compared by
 * identity, not by name). What a client does not read is bounded: a stream with too much unread is ended, and the
 * lease table sends again on the next one.
 */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { ZkraftError } from '../../common/index.ts';
import { type ReceiveTasksRequest, type ReceiveTasksResponse, toServiceError } from '../../common/rpc/index.ts';
import type { TaskChannel } from '../scheduler/index.ts';

export type TaskStreamCall = ServerWritableStream<ReceiveTasksRequest, ReceiveTasksResponse>;

/** Messages written to a stream and not yet taken by the connection. An assignment has up to 32 KB. */
const UNREAD_MAX = 256;

interface TaskStream {
  readonly call: TaskStreamCall;
  readonly sessionId: number;
  unread: number;
}

export class TaskStreams implements TaskChannel {
  readonly #streams = new Map<string, TaskStream>();

  get size(): number {
    return this.#streams.size;
  }

  open(workerId: string, sessionId: number, call: TaskStreamCall): void {
    const older = this.#streams.get(workerId);
    const stream: TaskStream = { call, sessionId, unread: 0 };
    this.#streams.set(workerId, stream);
    const gone = () => {
      if (this.#streams.get(workerId) === stream) this.#streams.delete(workerId);
    };
    call.on('cancelled', gone);
    call.on('error', gone);
    call.on('close', gone);
    older?.call.end();
  }

  isOpen(workerId: string): boolean {
    return this.#streams.has(workerId);
  }

  push(workerId: string, message: ReceiveTasksResponse): boolean {
    const stream = this.#streams.get(workerId);
    if (stream === undefined || stream.call.cancelled) return false;
    if (stream.unread >= UNREAD_MAX) {
      this.end(workerId, new ZkraftError('overloaded', 'the task stream is not read; open it again and read faster'));
      return false;
    }
    stream.unread += 1;
    stream.call.write(message, () => {
      stream.unread -= 1;
    });
    return true;
  }

  /** Ends the worker's stream with `error`; with `sessionId`, only if it is that session's. */
  end(workerId: string, error: ZkraftError, sessionId?: number): void {
    const stream = this.#streams.get(workerId);
    if (stream === undefined || (sessionId !== undefined && stream.sessionId !== sessionId)) return;
    this.#streams.delete(workerId);
    stream.call.emit('error', toServiceError(error));
  }

  endAll(error: ZkraftError): void {
    for (const workerId of [...this.#streams.keys()]) this.end(workerId, error);
  }
}
