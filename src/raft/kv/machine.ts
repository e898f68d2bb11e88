/**
 * A map from text to text as a replicated state machine. Each command gives the value before it, '' where there is none.
 *
 * The image is canonical: keys in the order of their UTF-16 code units, so that the same state gives the same bytes,
 * whatever way led to it. `format u8 | pairs u32 | for each: length of key u32, length of value u32, key, value`.
 */
import { sha256Hex, ZkraftError } from '../../common/index.ts';
import type { ResultCodec } from '../node/replicated-state.ts';
import type { LogEntry, StateMachine } from '../replicated-log.ts';
import { decodeKvCommand, type KvCommand } from './command.ts';

const FORMAT = 1;
const HEADER_BYTES = 5;
const LENGTHS_BYTES = 8;

export class KvMachine implements StateMachine<string> {
  #values = new Map<string, string>();
  /** Of the state as it is; `undefined` once it has changed. */
  #hash: string | undefined;

  get size(): number {
    return this.#values.size;
  }

  /** '' where there is no value. */
  get(key: string): string {
    return this.#values.get(key) ?? '';
  }

  /** An entry without data, or with bytes that are no command, changes nothing and gives ''. */
  apply(entry: LogEntry): string {
    const command = decodeKvCommand(entry.data);
    if (command === undefined) return '';
    const before = this.get(command.key);
    this.#hash = undefined;
    if (command.kind === 'delete') this.#values.delete(command.key);
    else this.#values.set(command.key, valueAfter(before, command));
    return before;
  }

  snapshot(): Uint8Array {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(FORMAT);
    header.writeUInt32BE(this.#values.size, 1);
    const pieces = [header];
    for (const key of [...this.#values.keys()].sort()) {
      const lengths = Buffer.alloc(LENGTHS_BYTES);
      const keyBytes = Buffer.from(key);
      const valueBytes = Buffer.from(this.get(key));
      lengths.writeUInt32BE(keyBytes.length);
      lengths.writeUInt32BE(valueBytes.length, 4);
      pieces.push(lengths, keyBytes, valueBytes);
    }
    return Buffer.concat(pieces);
  }

  /** Throws `log_corrupt` for what `snapshot` did not make; the state is then what it was. */
  restore(snapshot: Uint8Array): void {
    const bytes = Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    if (bytes.length < HEADER_BYTES || bytes.readUInt8() !== FORMAT) throw corrupt('begins with no known format');
    const values = new Map<string, string>();
    let at = HEADER_BYTES;
    for (let left = bytes.readUInt32BE(1); left > 0; left -= 1) {
      if (at + LENGTHS_BYTES > bytes.length) throw corrupt('ends before its last pair');
      const keyFrom = at + LENGTHS_BYTES;
      const valueFrom = keyFrom + bytes.readUInt32BE(at);
      const end = valueFrom + bytes.readUInt32BE(at + 4);
      if (end > bytes.length) throw corrupt('ends inside a pair');
      values.set(bytes.toString('utf8', keyFrom, valueFrom), bytes.toString('utf8', valueFrom, end));
      at = end;
    }
    if (at !== bytes.length) throw corrupt('goes on after its last pair');
    this.#values = values;
    this.#hash = undefined;
  }

  /** SHA-256 of the image, in hex: equal on two nodes if and only if their states are. */
  hash(): string {
    this.#hash ??= sha256Hex(this.snapshot());
    return this.#hash;
  }
}

/** What a key holds after the command. */
export function valueAfter(before: string, command: KvCommand): string {
  if (command.kind === 'delete') return '';
  return command.kind === 'put' ? command.value : before + command.value;
}

/** Results are text. A session remembers those of up to 4,096 bytes (`SESSION_LIMITS`). */
export const kvResultCodec: ResultCodec<string> = {
  encode: (result) => new TextEncoder().encode(result),
  decode: (bytes) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
};

const corrupt = (how: string): ZkraftError =>
  new ZkraftError('log_corrupt', `the snapshot of the key-value map ${how}; restore the node from another's`);
