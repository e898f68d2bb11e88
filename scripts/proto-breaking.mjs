/**
 * Refuses a change of the gRPC contracts that would break workers of the last release.
 *
 * Compares proto/ with its state at the tag or commit named by PROTO_BASE, else at the newest tag, else at the first
 * commit that has the contracts. Outside a git checkout there is nothing to compare with, and it says so.
 */
import { spawnSync } from 'node:child_process';
import { ROOT } from './bootstrap.mjs';

const git = (...args) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });

function base() {
  if (process.env.PROTO_BASE) return process.env.PROTO_BASE;
  const tag = git('describe', '--tags', '--abbrev=0');
  if (tag.status === 0) return tag.stdout.trim();
  const first = git('log', '--reverse', '--format=%H', '--', 'proto/zkraft/v1/worker.proto');
  return first.stdout?.split('\n')[0] || undefined;
}

const against = base();
if (against === undefined) {
  process.stdout.write('No earlier contracts to compare with: not a git checkout.\n');
} else {
  const { status } = spawnSync('npx', ['--no-install', 'buf', 'breaking', '--against', `.git#ref=${against}`], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  process.stdout.write(`The contracts are compatible with ${against}.\n`);
}
