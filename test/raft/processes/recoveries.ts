/**
 * Kills a node again and again while clients write, and counts what was acknowledged and lost. `npm run test:recoveries`.
 *
 * Most rounds kill the leader, some a follower, some the leader right after another came back. After all of them the log
 * must hold every acknowledged word once, and all nodes must hold the same.
 */
import { eventually, ProcessBed, retried, type Words } from '../../support/raft-processes.ts';
import { verdict, Writers } from './writers.ts';

const rounds = Number(process.argv[2] ?? 200);
const names = ['a', 'b', 'c'];
const bed = new ProcessBed({ timeoutMs: 300, snapshotThreshold: 500, trailingEntries: 100 });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const gapsMs: number[] = [];
let code = 1;
try {
  await bed.cluster(names);
  const writers = new Writers(bed, 6);
  for (let round = 1; round <= rounds; round += 1) {
    await writers.more(30);
    const leader = await bed.leader();
    const victim = round % 5 === 0 ? bed.running().find(({ name }) => name !== leader.name) : leader;
    if (victim === undefined) throw new Error('nobody to kill');
    const killedMs = performance.now();
    await victim.kill();
    const before = writers.acknowledged.size;
    await writers.more(5);
    if (victim === leader) gapsMs.push(performance.now() - killedMs);
    await bed.start(victim.name);
    if (round % 20 === 0) say(`${round} of ${rounds}: ${before} acknowledged`);
  }
  await writers.stop();
  const leader = await bed.leader();
  const words = await retried(() => leader.ask<Words>({ ask: 'read' }));
  const { lost, twice } = verdict(words, writers.acknowledged);
  await eventually(async () => {
    const all = await Promise.all(bed.running().map((node) => node.ask<Words>({ ask: 'words' })));
    return all.every((other) => JSON.stringify(other) === JSON.stringify(all[0]));
  });
  gapsMs.sort((a, b) => a - b);
  const at = (part: number): number => Math.round(gapsMs[Math.floor(gapsMs.length * part)] ?? 0);
  say(
    `${rounds} recoveries, ${writers.acknowledged.size} acknowledged, ${lost.length} lost, ${twice.length} applied twice; ` +
      `from a leader's death to five more writes: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
  code = lost.length === 0 && twice.length === 0 ? 0 : 1;
} finally {
  await bed.close();
}
process.exit(code);
