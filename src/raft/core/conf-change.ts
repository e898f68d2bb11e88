/**
 * Changes of the configuration, and how they lie in an entry's data.
 *
 * After Ongaro's thesis, sections 4.1 and 4.3. Version 1 is one change; version 2 is any number of them, applied through
 * a joint configuration when one step would not be safe, and, when it has none, the way out of a joint configuration.
 *
 * The bytes are protobuf's, with the fields of etcd's `ConfChange` and `ConfChangeV2`. Leaving a joint configuration
 * is no bytes at all, so that no limit of uncommitted bytes can refuse it.
 */
import type { EntryType, NodeId } from '../types.ts';
import { varintBytes } from './entry-size.ts';
import { RaftConfigError } from './errors.ts';

/** `update` changes nothing here: it carries `context` (a new address, say) to everyone, in the order of the log. */
export type ConfChangeKind = 'add-voter' | 'remove' | 'update' | 'add-learner';

export interface ConfChangeStep {
  readonly kind: ConfChangeKind;
  readonly nodeId: NodeId;
}

/**
 * `auto`: in one step if only one changes, else joint, left by the leader itself. `joint-implicit`: joint always, left by
 * the leader itself. `joint-explicit`: joint always, left when an empty change is proposed.
 */
export type Transition = 'auto' | 'joint-implicit' | 'joint-explicit';

export interface ConfChangeV1 {
  readonly version: 1;
  readonly change: ConfChangeStep;
  readonly context: Uint8Array;
}

export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: Transition;
  readonly changes: readonly ConfChangeStep[];
  readonly context: Uint8Array;
}

export type ConfChange = ConfChangeV1 | ConfChangeV2;

const NO_BYTES = new Uint8Array(0);

export const LEAVE_JOINT: ConfChangeV2 = { version: 2, transition: 'auto', changes: [], context: NO_BYTES };

export const stepsOf = (change: ConfChange): readonly ConfChangeStep[] =>
  change.version === 1 ? [change.change] : change.changes;

/** Which of the three ways a committed change is applied. */
export type ChangePath = 'simple' | 'leave-joint' | 'enter-joint' | 'enter-joint-auto-leave';

export function pathOf(change: ConfChange): ChangePath {
  if (change.version === 1) return 'simple';
  if (change.transition === 'joint-explicit') return 'enter-joint';
  if (change.transition === 'joint-implicit' || change.changes.length > 1) return 'enter-joint-auto-leave';
  return change.changes.length === 0 ? 'leave-joint' : 'simple';
}

// Positions are the numbers on the wire.
const KINDS: readonly ConfChangeKind[] = ['add-voter', 'remove', 'update', 'add-learner'];
const TRANSITIONS: readonly Transition[] = ['auto', 'joint-implicit', 'joint-explicit'];

const VARINT = 0;
const BYTES = 2;

class Writer {
  readonly #bytes: number[] = [];

  varint(field: number, value: number): this {
    this.#bytes.push(field * 8 + VARINT);
    this.#push(value);
    return this;
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#bytes.push(field * 8 + BYTES);
    this.#push(bytes.length);
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** By division: ids go up to 2^53, bit operators only to 2^32. */
  #push(value: number): void {
    let rest = value;
    for (let left = varintBytes(value); left > 1; left--) {
      this.#bytes.push((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.#bytes.push(rest);
  }
}

/** What an entry with this change is: its type and data. */
export function encodeConfChange(change: ConfChange): { readonly type: EntryType; readonly data: Uint8Array } {
  if (change.version === 1) {
    const { kind, nodeId } = change.change;
    const writer = new Writer().varint(1, 0).varint(2, KINDS.indexOf(kind)).varint(3, nodeId);
    if (change.context.length > 0) writer.bytes(4, change.context);
    return { type: 'conf-change', data: writer.done() };
  }
  if (pathOf(change) === 'leave-joint' && change.context.length === 0)
    return { type: 'conf-change-v2', data: NO_BYTES };
  const writer = new Writer().varint(1, TRANSITIONS.indexOf(change.transition));
  for (const { kind, nodeId } of change.changes)
    writer.bytes(2, new Writer().varint(1, KINDS.indexOf(kind)).varint(2, nodeId).done());
  if (change.context.length > 0) writer.bytes(3, change.context);
  return { type: 'conf-change-v2', data: writer.done() };
}

/** Field by field; a field that is not known is passed over, bytes that cannot be are a `RaftConfigError`. */
function* fieldsOf(data: Uint8Array): Generator<{ readonly field: number; readonly value: number | Uint8Array }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = data[at++];
      if (byte === undefined || scale > 2 ** 49) throw new RaftConfigError('configuration change: a number has no end');
      value += (byte % 128) * scale;
      if (byte < 128) break;
    }
    if (!Number.isSafeInteger(value)) throw new RaftConfigError('configuration change: a number is over 2^53');
    return value;
  };
  while (at < data.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    if (tag % 8 === VARINT) {
      yield { field, value: varint() };
      continue;
    }
    if (tag % 8 !== BYTES) throw new RaftConfigError(`configuration change: field ${field} is of no type that is used`);
    const length = varint();
    if (at + length > data.length) throw new RaftConfigError(`configuration change: field ${field} is cut short`);
    yield { field, value: data.subarray(at, at + length) };
    at += length;
  }
}

function named<Name>(names: readonly Name[], value: number | Uint8Array, what: string): Name {
  const name = typeof value === 'number' ? names[value] : undefined;
  if (name === undefined) throw new RaftConfigError(`configuration change: ${what} ${value} is not known`);
  return name;
}

const numeric = (value: number | Uint8Array): number => (typeof value === 'number' ? value : 0);
const binary = (value: number | Uint8Array): Uint8Array => (typeof value === 'number' ? NO_BYTES : value);

function decodeStep(data: Uint8Array, kindField: number, idField: number): ConfChangeStep {
  let kind: ConfChangeKind = 'add-voter';
  let nodeId = 0;
  for (const { field, value } of fieldsOf(data)) {
    if (field === kindField) kind = named(KINDS, value, 'kind');
    if (field === idField) nodeId = numeric(value);
  }
  return { kind, nodeId };
}

/** What an entry's data says; `undefined` for a normal entry. Throws `RaftConfigError` for bytes that say nothing. */
export function decodeConfChange(entry: {
  readonly type: EntryType;
  readonly data: Uint8Array;
}): ConfChange | undefined {
  if (entry.type === 'normal') return undefined;
  let context: Uint8Array = NO_BYTES;
  if (entry.type === 'conf-change') {
    for (const { field, value } of fieldsOf(entry.data)) if (field === 4) context = binary(value);
    return { version: 1, change: decodeStep(entry.data, 2, 3), context };
  }
  let transition: Transition = 'auto';
  const changes: ConfChangeStep[] = [];
  for (const { field, value } of fieldsOf(entry.data)) {
    if (field === 1) transition = named(TRANSITIONS, value, 'transition');
    if (field === 2) changes.push(decodeStep(binary(value), 1, 2));
    if (field === 3) context = binary(value);
  }
  return { version: 2, transition, changes, context };
}
