import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ZkraftError } from '../../../src/common/index.ts';
import { raftPeer } from '../../../src/common/rpc/index.ts';
import {
  decodeConfState,
  decodeMessage,
  encodeConfState,
  encodeMessage,
  messageBytes,
  type StreamMessage,
} from '../../../src/raft/transport/codec.ts';

const { RaftMessage } = raftPeer;

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const id = number.map((value) => Math.max(1, value));
const bytes = fc.uint8Array({ maxLength: 64 });
const entryId = record({ term: number, index: fc.nat() });
const type = fc.constantFrom('normal' as const, 'conf-change' as const, 'conf-change-v2' as const);
const head = { from: id, to: id, term: number };
const of = <T>(kind: T) => ({ ...head, type: fc.constant(kind) });

const appends = record({
  previous: entryId,
  entries: fc.array(record({ term: number, type, data: bytes }), { maxLength: 5 }),
}).map(({ previous, entries }) => ({
  previous,
  entries: entries.map((entry, i) => ({ ...entry, index: previous.index + 1 + i })),
}));

/** Of every kind that travels on the stream. */
const messages: fc.Arbitrary<StreamMessage> = fc.oneof(
  record({
    ...of('propose' as const),
    origin: id,
    entries: fc.array(record({ type, data: bytes }), { maxLength: 5 }),
  }),
  fc.tuple(record({ ...of('append' as const), commit: number }), appends).map(([one, more]) => ({ ...one, ...more })),
  record({ ...of('append-response' as const), index: number }),
  record({ ...of('append-response' as const), index: number, refused: entryId }),
  record({ ...of('vote' as const), last: entryId, transfer: fc.boolean() }),
  record({ ...of('pre-vote' as const), last: entryId, transfer: fc.boolean() }),
  record({ ...of('vote-response' as const), granted: fc.boolean() }),
  record({ ...of('pre-vote-response' as const), granted: fc.boolean() }),
  record({ ...of('heartbeat' as const), commit: number, readRound: number }),
  record({ ...of('heartbeat-response' as const), readRound: number }),
  record(of('timeout-now' as const)),
  record({ ...of('transfer-leader' as const), transferee: id }),
  record({ ...of('read-index' as const), origin: id, context: bytes }),
  record({ ...of('read-index-response' as const), index: number, context: bytes }),
);

/** A message that fits the core's idea of one, or `invalid_request`; `undefined` when it is no protobuf either. */
function readAny(frame: Uint8Array): StreamMessage | undefined {
  let wire: raftPeer.RaftMessage;
  try {
    wire = RaftMessage.decode(frame);
  } catch {
    return undefined;
  }
  try {
    return decodeMessage(wire);
  } catch (error) {
    assert.ok(error instanceof ZkraftError && error.code === 'invalid_request', String(error));
    assert.notEqual(error.field, undefined);
    return undefined;
  }
}

function assertSound(message: StreamMessage): void {
  for (const value of [message.from, message.to]) assert.ok(Number.isSafeInteger(value) && value > 0);
  assert.ok(Number.isSafeInteger(message.term) && message.term >= 0);
  if (message.type !== 'append') return;
  for (const { index, term } of message.entries) assert.ok(Number.isSafeInteger(index) && Number.isSafeInteger(term));
}

describe('the codec', () => {
  it('gives back what it was given, of every kind, in no more bytes than it said', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const frame = RaftMessage.encode(encodeMessage(message)).finish();
        assert.deepEqual(decodeMessage(RaftMessage.decode(frame)), message);
        assert.ok(frame.length <= messageBytes(message), `${frame.length} > ${messageBytes(message)}`);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes a message out of any bytes, or refuses them as invalid: garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        const message = readAny(frame);
        if (message !== undefined) assertSound(message);
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes a message out of any bytes, or refuses them as invalid: cut short, or with a byte turned', () => {
    let refused = 0;
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (message, cut, at, turn) => {
        const frame = RaftMessage.encode(encodeMessage(message)).finish();
        const turned = Uint8Array.from(frame);
        turned[at % frame.length] = (turned[at % frame.length] ?? 0) ^ turn;
        for (const damaged of [frame.subarray(0, cut % frame.length), turned]) {
          const read = readAny(damaged);
          if (read === undefined) refused += 1;
          else assertSound(read);
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(refused > 1_000, `${refused}`);
  });

  it('keeps nothing of the frame that a message came in', () => {
    const message: StreamMessage = {
      ...{ type: 'append', from: 1, to: 2, term: 3, previous: { term: 1, index: 1 }, commit: 0 },
      entries: [{ term: 1, index: 2, type: 'normal', data: new Uint8Array(10).fill(7) }],
    };
    const frame = RaftMessage.encode(encodeMessage(message)).finish();
    const read = decodeMessage(RaftMessage.decode(frame));
    frame.fill(0);
    assert.deepEqual(read, message);
    assert.ok(read.type === 'append' && read.entries[0]?.data.buffer.byteLength === 10);
  });

  it('keeps every list of a configuration apart, and wants one', () => {
    const ids = fc.array(id, { maxLength: 5 });
    const states = record({
      ...{ voters: ids, votersOutgoing: ids, learners: ids, learnersNext: ids },
      autoLeave: fc.boolean(),
    });
    fc.assert(fc.property(states, (state) => assert.deepEqual(decodeConfState(encodeConfState(state)), state)));
    assert.throws(() => decodeConfState(undefined), { code: 'invalid_request', message: /conf_state is missing/ });
  });
});
