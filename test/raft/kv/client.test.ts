import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ZkraftError } from '../../../src/common/index.ts';
import { decodeKvCommand, KvClient, KvMachine, type KvReplica } from '../../../src/raft/kv/index.ts';
import { eventually, MachineBed } from '../node/node-bed.ts';

describe('a client of a key-value map on three nodes', () => {
  let bed: MachineBed<KvMachine>;
  let client: KvClient;
  beforeEach(async () => {
    bed = new MachineBed(() => new KvMachine());
    await bed.cluster(['a', 'b', 'c']);
    client = new KvClient({ replicas: () => [...bed.nodes.values()] });
  });
  afterEach(() => bed.close());

  it('reads what it and others wrote, and all nodes come to the same state', async () => {
    const other = new KvClient({ replicas: () => [...bed.nodes.values()].reverse() });
    assert.equal(await client.put('k', 'a'), '');
    assert.equal(await other.append('k', 'b'), 'a');
    assert.equal(await client.get('k'), 'ab');
    assert.equal(await other.delete('k'), 'ab');
    assert.equal(await client.get('k'), '');
    await Promise.all([client.append('k', '1'), client.append('k', '2'), client.append('k', '3')]);
    assert.equal(await other.get('k'), '123', 'one after the other, in the order of the calls');
    await eventually(() => new Set([...bed.nodes.values()].map(({ machine }) => machine.hash())).size === 1);
  });

  it('applies an append once whose answer was lost with its leader', async () => {
    await client.append('k', 'before ');
    const old = await bed.leader();
    // It reaches the others and may be committed; the old leader hears nothing of it.
    let sent = 0;
    bed.network.filter = (message, from, to) => {
      if (from === old.name && message.type === 'append' && message.entries.length > 0) sent += 1;
      return !(to === old.name && message.type === 'append-response');
    };
    const append = client.append('k', 'once');
    await eventually(() => sent >= 2);
    bed.network.isolate(old.name);
    assert.equal(await append, 'before ');
    bed.network.filter = () => true;
    bed.network.heal();
    assert.equal(await client.get('k'), 'before once');
    await eventually(() => [...bed.nodes.values()].every(({ machine }) => machine.get('k') === 'before once'));
  });

  it('reads nothing old at a leader that was cut off', async () => {
    await client.put('k', 'old');
    const cut = await bed.leader();
    bed.network.isolate(cut.name);
    const others = [...bed.nodes.values()].filter((one) => one !== cut);
    await new KvClient({ replicas: () => others }).put('k', 'new');
    assert.equal(cut.machine.get('k'), 'old');
    const behind = new KvClient({ replicas: () => [cut], patienceMs: 100 });
    await assert.rejects(behind.get('k'), { code: 'not_leader' });
    assert.equal(await new KvClient({ replicas: () => [cut, ...others] }).get('k'), 'new');
  });
});

/** A replica whose log is a list of answers: an error to reject with, or what to apply. */
function scripted(answers: (ZkraftError | 'apply')[]): KvReplica & { readonly machine: KvMachine; sessions: number } {
  const machine = new KvMachine();
  let index = 0;
  const replica = {
    machine,
    sessions: 0,
    node: {
      openSession: async () => {
        replica.sessions += 1;
        return replica.sessions;
      },
      readIndex: async () => index,
      propose: async (data: Uint8Array) => {
        const next = answers.shift();
        if (next instanceof ZkraftError) throw next;
        assert.ok(next === 'apply' && decodeKvCommand(data) !== undefined);
        index += 1;
        return { index, term: 1, result: machine.apply({ index, term: 1, data }) };
      },
    },
  };
  return replica;
}

const failed = (code: 'not_leader' | 'outcome_unknown' | 'session_expired' | 'invalid_request'): ZkraftError =>
  new ZkraftError(code, `the script says ${code}`);

describe('a client that gives up', () => {
  it('is in doubt if any of its tries may have been applied, and only then', async () => {
    const dropped = scripted([failed('not_leader')]);
    await assert.rejects(new KvClient({ replicas: () => [dropped], patienceMs: 0 }).put('k', 'v'), {
      code: 'not_leader',
    });
    const doubted = scripted([failed('outcome_unknown'), ...Array.from({ length: 100 }, () => failed('not_leader'))]);
    await assert.rejects(new KvClient({ replicas: () => [doubted], patienceMs: 30, retryMs: 5 }).put('k', 'v'), {
      code: 'outcome_unknown',
    });
  });

  it('begins another session after one that is gone', async () => {
    const replica = scripted([failed('session_expired'), 'apply', 'apply']);
    const client = new KvClient({ replicas: () => [replica] });
    await assert.rejects(client.put('k', 'v'), { code: 'session_expired' });
    assert.equal(await client.put('k', 'v'), '');
    assert.equal(await client.put('k', 'w'), 'v');
    assert.equal(replica.sessions, 2);
  });

  it('does not know the outcome when its session is gone after a try in doubt', async () => {
    const replica = scripted([failed('outcome_unknown'), failed('session_expired')]);
    await assert.rejects(new KvClient({ replicas: () => [replica], retryMs: 1 }).put('k', 'v'), {
      code: 'outcome_unknown',
    });
  });

  it('does not try again what would be refused again, and goes on with the next', async () => {
    const replica = scripted([failed('invalid_request'), 'apply']);
    const client = new KvClient({ replicas: () => [replica] });
    await assert.rejects(client.put('k', 'too long'), { code: 'invalid_request' });
    await assert.rejects(client.put('k', '\ud800'), { code: 'invalid_request' });
    assert.equal(await client.put('k', 'v'), '');
  });
});
