/**
 * Kills a node again and again while clients write and read. `npm run test:recoveries`, or with the number of kills.
 *
 * Most rounds kill the leader, some a follower, some the leader right after another came back. After all of them what the
 * clients were told must be what one map could have told them, every acknowledged write in it once, and all nodes must
 * hold the same.
 */
import { ProcessBed } from '../../support/raft-processes.ts';
import { Clients, complaint } from './clients.ts';

const rounds = Number(process.argv[2] ?? 200);
const names = ['a', 'b', 'c'];
const bed = new ProcessBed({ timeoutMs: 300, snapshotThreshold: 500, trailingEntries: 100 });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const gapsMs: number[] = [];
let code = 1;
try {
  await bed.cluster(names);
  const clients = new Clients(bed, 6);
  for (let round = 1; round <= rounds; round += 1) {
    await clients.more(30);
    const leader = await bed.leader();
    const victim = round % 5 === 0 ? bed.running().find(({ name }) => name !== leader.name) : leader;
    if (victim === undefined) throw new Error('nobody to kill');
    const killedMs = performance.now();
    await victim.kill();
    await clients.more(5);
    if (victim === leader) gapsMs.push(performance.now() - killedMs);
    await bed.start(victim.name);
    if (round % 20 === 0) say(`${round} of ${rounds}: ${clients.tally.acknowledgedWrites} writes acknowledged`);
  }
  await clients.stop();
  const found = clients.check();
  await bed.converge();
  const { operations, acknowledgedWrites, reads, unknown } = clients.tally;
  gapsMs.sort((a, b) => a - b);
  const at = (part: number): number => Math.round(gapsMs[Math.floor(gapsMs.length * part)] ?? 0);
  say(
    `${rounds} recoveries, ${operations} operations: ${acknowledgedWrites} writes acknowledged, ${unknown} of unknown outcome, ` +
      `${reads} reads; ${found.verdict} (${found.steps} steps); ` +
      `from a leader's death to five more writes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
  const fault = complaint(found);
  if (fault !== '') say(fault);
  code = fault === '' ? 0 : 1;
} finally {
  await bed.close();
}
process.exit(code);
