import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { encodeKvCommand } from '../../../src/raft/index.ts';
import { WITHOUT_OPENSSL } from '../../support/certificates.ts';
import { type ChildNode, eventually, ProcessBed, retried } from '../../support/raft-processes.ts';

const TIMEOUT_MS = 400;

describe('nodes over mutual TLS', { skip: WITHOUT_OPENSSL }, () => {
  let bed: ProcessBed;
  afterEach(() => bed.close());

  const put = (node: ChildNode, key: string) =>
    node.ask({ ask: 'propose', data: encodeKvCommand({ kind: 'put', key, value: 'there' }) });
  const has = async (node: ChildNode, key: string) => (await node.ask<string>({ ask: 'get', key })) === 'there';
  const leads = (node: ChildNode) => eventually(async () => (await node.status()).state === 'Leader');

  /** Why one of the ways from that node is refused, as its operators see it. */
  async function refusalAt(node: ChildNode): Promise<string> {
    const refused = async () => (await bed.peers(node)).find(({ link }) => link?.state === 'refused')?.link?.problem;
    await eventually(async () => (await refused()) !== undefined);
    return (await refused()) ?? '';
  }

  it('of two clusters never merge, though each sits at the address of the other (rule 7)', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    // One authority, and the same names: nothing but the cluster tells them apart.
    await bed.cluster(['a', 'b', 'c']);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => bed.nodes.get(name)) as [ChildNode, ChildNode, ChildNode];
    await put(a, 'of the first cluster');
    const first = await a.status();
    // A c that bootstrapped by itself sits where c was.
    await c.kill();
    const other = await bed.stranger('c', 'c', 'other', true);
    await leads(other);
    await put(other, 'of the second cluster');
    assert.notEqual((await other.status()).clusterId, first.clusterId);
    const problem = await refusalAt(a);
    assert.match(
      problem,
      /"a" asks for incarnation \d+ of "c", but this one is \d+: it lost its disk, or never had it/,
    );
    const add = (at: ChildNode, { options }: ChildNode) => at.ask({ ask: 'add', address: options.raftAddress });
    const never = { code: 'membership_refused', message: /of another cluster, .*two clusters never merge/ };
    await assert.rejects(add(a, other), never);
    await assert.rejects(add(other, b), never);
    // Now the other way round: the first cluster's own c is back, and the second cluster sits where a was.
    await other.kill();
    const back = await bed.start('c');
    await eventually(() => has(back, 'of the first cluster'));
    await a.kill();
    const again = await bed.stranger('c', 'a', 'other');
    await leads(again);
    await put(again, 'at the address of a');
    const leader = await retried(async () => {
      const states = await Promise.all([b, back].map((node) => node.status()));
      const found = [b, back][states.findIndex(({ state }) => state === 'Leader')];
      assert.ok(found);
      await put(found, 'without a');
      return found;
    });
    assert.match(await refusalAt(leader), /calls itself "a", and its certificate is of "c"/);
    // Nothing crossed over, either way.
    const all = ['of the first cluster', 'of the second cluster', 'at the address of a', 'without a'];
    const of = (node: ChildNode) => Promise.all(all.map((key) => has(node, key)));
    assert.deepEqual(await of(again), [false, true, true, false]);
    assert.deepEqual(await of(leader), [true, false, false, true]);
    assert.equal((await again.status()).peers, 1);
    assert.equal((await leader.status()).clusterId, first.clusterId);
    await assert.rejects(add(again, leader), never);
  });

  it('that lost its disk is refused under its old name, and joins as a new incarnation (rule 8)', async () => {
    bed = new ProcessBed({ timeoutMs: TIMEOUT_MS });
    await bed.cluster(['a', 'b', 'c']);
    const leader = await bed.leader();
    await put(leader, 'precious');
    const lost = bed.running().find(({ name }) => name !== leader.name) as ChildNode;
    const before = (await lost.status()).incarnation;
    await lost.kill();
    rmSync(bed.dir(lost.name), { recursive: true });
    const wiped = await bed.start(lost.name);
    const { incarnation } = await wiped.status();
    assert.notEqual(incarnation, before);
    // Operators see it at the leader, with the remedy.
    const link = async () => (await bed.peers(leader)).find(({ name }) => name === lost.name)?.link;
    await eventually(async () => (await link())?.state === 'refused');
    assert.match(
      (await link())?.problem ?? '',
      new RegExp(`asks for incarnation ${before} of "${lost.name}", but this one is ${incarnation}: it lost its disk`),
    );
    const address = wiped.options.raftAddress;
    await assert.rejects(leader.ask({ ask: 'add', address }), {
      code: 'membership_refused',
      message: new RegExp(
        `as another incarnation \\(${before}, and not ${incarnation}\\): if it lost its disk, remove it`,
      ),
    });
    assert.equal(await has(wiped, 'precious'), false);
    // It has no vote either: with the other one gone nothing is committed.
    const third = bed.running().find((node) => node !== leader && node !== wiped) as ChildNode;
    await third.kill();
    const outcome = await put(leader, 'not by the wiped one').then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    assert.notEqual(outcome, 'committed');
    await bed.start(third.name);
    const next = await bed.leader([wiped.name]);
    await retried(() => next.ask({ ask: 'remove', name: lost.name }));
    await retried(() => next.ask({ ask: 'add', address }));
    await eventually(() => has(wiped, 'precious'));
    await retried(() => next.ask({ ask: 'promote', name: lost.name }));
    const member = (await bed.peers(next)).find(({ name }) => name === lost.name);
    assert.deepEqual([member?.nodeId, member?.role], [incarnation, 'voter']);
  });
});
