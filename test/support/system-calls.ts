/**
 * Traces of system calls by `strace -f`, and what they say of syncs.
 *
 * A line of a trace begins with the thread. A call that another thread cuts into is two lines, `<unfinished ...>` and
 * `<... fdatasync resumed>`; the second stands where the call came back.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** `false`, or why tests that trace are skipped. */
export const WITHOUT_STRACE: string | false =
  spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
    ? false
    : 'SKIPPED: strace is missing or may not trace here; install it to see the fsyncs';

/**
 * Runs Node, with what it starts, and gives the lines of its writes and syncs, in the order in which they happened. With
 * `paths` a descriptor reads `23</path/of/it>`. Throws with the standard error of a command that fails.
 */
export function tracedNode(trace: string, args: readonly string[], { paths = false } = {}): string[] {
  const calls = ['-e', 'trace=write,fdatasync,fsync', '-s', '2000', '-o', trace];
  const node = [process.execPath, '--import', 'tsx', ...args];
  const { status, stderr } = spawnSync('strace', ['-f', ...(paths ? ['-y'] : []), ...calls, ...node], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return readFileSync(trace, 'utf8').split('\n');
}

/** What a line writes to, as `isSynced` wants it; `undefined` if it writes nothing. */
export const writtenTo = (line: string | undefined): string | undefined =>
  /\bwrite\((\d+(?:<[^>]*>)?),/.exec(line ?? '')?.[1];

/** Whether a sync of the descriptor began in these lines and came back with success. */
export function isSynced(lines: readonly string[], descriptor: string): boolean {
  const begins = (line: string): boolean => /\bf(data)?sync\(/.test(line) && line.includes(`sync(${descriptor}`);
  return lines.some((line, i) => {
    if (!begins(line)) return false;
    if (/= 0$/.test(line)) return true;
    const thread = line.split(' ')[0];
    const resumed = new RegExp(`^${thread}\\s+<\\.\\.\\. f(data)?sync resumed>\\)\\s+= 0$`);
    return lines.slice(i + 1).some((other) => resumed.test(other));
  });
}
