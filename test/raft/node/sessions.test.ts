import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { decodeCommand, encodeCommand } from '../../../src/raft/node/command.ts';
import { SessionTable } from '../../../src/raft/node/sessions.ts';
import { eventually, NodeBed, text, words } from './node-bed.ts';

const limits = { sessionsMax: 3, idleEntriesMax: 100, resultBytesMax: 8 };
const entry = (index: number) => ({ index, term: 1 });

describe('a session table', () => {
  it('knows a repetition, and what came of the first', () => {
    const table = new SessionTable(limits);
    table.open(1);
    assert.deepEqual(table.check(1, 1, 2), { kind: 'fresh' });
    table.remember(1, 1, entry(2), text('done'));
    assert.deepEqual(table.check(1, 1, 3), { kind: 'repeated', index: 2, term: 1, result: text('done') });
    assert.deepEqual(table.check(1, 2, 4), { kind: 'fresh' });
    table.remember(1, 2, entry(4), text('a result too long'));
    assert.deepEqual(table.check(1, 1, 5), { kind: 'overtaken', sequence: 2 });
    assert.deepEqual(table.check(1, 2, 6), { kind: 'repeated', index: 4, term: 1, result: undefined });
  });

  it('takes nobody for new whom it does not know', () => {
    assert.deepEqual(new SessionTable(limits).check(7, 1, 9), { kind: 'no-session' });
  });

  it('forgets the session used least recently when it is full, and idle ones by index', () => {
    const table = new SessionTable(limits);
    for (const index of [1, 2, 3]) table.open(index);
    table.check(1, 1, 4);
    table.open(5);
    assert.equal(table.check(2, 1, 6).kind, 'no-session');
    assert.equal(table.check(1, 1, 7).kind, 'fresh');
    assert.equal(table.check(3, 1, 103).kind, 'fresh');
    assert.equal(table.check(5, 1, 106).kind, 'no-session', '101 entries after it was used last');
    assert.equal(table.check(1, 1, 107).kind, 'fresh', '100 entries after');
  });

  it('is the same after a snapshot, down to who is forgotten next', () => {
    const table = new SessionTable(limits);
    for (const index of [1, 2, 3]) table.open(index);
    table.check(1, 1, 4);
    table.remember(1, 1, entry(4), text('r'));
    const copy = new SessionTable(limits);
    copy.restore(table.encode());
    for (const one of [table, copy]) one.open(9);
    assert.deepEqual(copy.encode(), table.encode());
    assert.deepEqual(copy.check(1, 1, 10), { kind: 'repeated', index: 4, term: 1, result: Buffer.from('r') });
    assert.equal(copy.check(2, 1, 10).kind, 'no-session');
  });
});

describe('commands', () => {
  it('come out as they went in', () => {
    const data = Uint8Array.of(1, 2, 3);
    for (const command of [
      { kind: 'plain', data },
      { kind: 'plain', data: new Uint8Array(0) },
      { kind: 'session', session: 2 ** 53 - 1, sequence: 128, data },
      { kind: 'open-session' },
      { kind: 'close-session', session: 300 },
    ] as const) {
      assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    }
    assert.deepEqual(decodeCommand(new Uint8Array(0)), { kind: 'empty' });
  });

  it('of bytes that say nothing are unknown, whatever the bytes', () => {
    for (const bytes of [
      [4],
      [255, 0],
      [1],
      [1, 200],
      [1, 5],
      [2, 0],
      [3, 128],
      [3, 1, 1],
      [1, ...Array(9).fill(255)],
    ]) {
      assert.deepEqual(decodeCommand(Uint8Array.from(bytes)), { kind: 'unknown' }, String(bytes));
    }
  });
});

describe('a command in a session', () => {
  let bed: NodeBed;
  beforeEach(() => {
    bed = new NodeBed();
  });
  afterEach(() => bed.close());

  it('is applied once, however often it is proposed, also after a restart from a snapshot', async () => {
    const few = { snapshotThreshold: 5, trailingEntries: 1 };
    const [a] = await bed.cluster(['a'], few);
    assert.ok(a);
    const id = await a.node.openSession();
    const first = await a.node.propose(text('pay'), { session: { id, sequence: 1 } });
    const again = await a.node.propose(text('pay'), { session: { id, sequence: 1 } });
    assert.deepEqual(again, { index: first.index, term: first.term, result: 'applied pay' });
    for (let i = 0; i < 12; i += 1) await a.node.propose(text(`filler ${i}`));
    await eventually(() => a.node.status().snapshotIndex > first.index);
    await bed.stop('a');
    const back = await bed.start('a', few);
    await eventually(() => back.node.status().state === 'Leader');
    const late = await back.node.propose(text('pay'), { session: { id, sequence: 1 } });
    assert.equal(late.index, first.index);
    assert.equal(words(back).filter((word) => word === 'pay').length, 1);
  });

  it('of a session that nobody knows is refused and not applied', async () => {
    const [a] = await bed.cluster(['a']);
    assert.ok(a);
    await assert.rejects(a.node.propose(text('x'), { session: { id: 99, sequence: 1 } }), { code: 'session_expired' });
    const id = await a.node.openSession();
    await a.node.closeSession(id);
    await assert.rejects(a.node.propose(text('x'), { session: { id, sequence: 1 } }), { code: 'session_expired' });
    assert.deepEqual(words(a), []);
  });

  it('whose outcome was unknown may be tried again at the next leader', async () => {
    await bed.cluster(['a', 'b', 'c']);
    const old = await bed.leader();
    const id = await old.node.openSession();
    // The entry reaches the others, the answers do not come back: committed or not, the old leader cannot tell.
    bed.network.filter = (message, _, to) => !(to === old.name && message.type === 'append-response');
    const unknown = old.node.propose(text('once'), { session: { id, sequence: 1 } });
    await new Promise((resolve) => setTimeout(resolve, 50));
    bed.network.isolate(old.name);
    await assert.rejects(unknown, { code: 'outcome_unknown' });
    const next = await bed.leader(['a', 'b', 'c'].filter((name) => name !== old.name));
    const { result } = await next.node.propose(text('once'), { session: { id, sequence: 1 } });
    assert.equal(result, 'applied once');
    assert.equal(words(next).filter((word) => word === 'once').length, 1);
  });
});
