import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { page } from './page.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const COMMANDS = [
  'dev',
  'gateway',
  'coordinator',
  'worker',
  'migrate',
  'keys',
  'setup',
  'prove',
  'verify',
  'tree',
  'tree build',
  'tree root',
  'tree path',
  'submit',
  'tasks',
  'tasks ls',
  'tasks show',
  'tasks cancel',
  'tasks requeue',
  'workers',
  'workers ls',
  'workers show',
  'workers drain',
  'workers quarantine',
  'workers release',
  'cluster',
  'cluster up',
  'cluster status',
  'cluster down',
  'raft',
  'raft status',
  'raft list-peers',
  'raft snapshot-info',
  'raft add-peer',
  'raft promote',
  'raft remove-peer',
  'raft transfer-leadership',
  'raft step-down',
  'raft recover',
  'top',
  'backup',
  'restore',
  'certs',
  'info',
  'bench',
];

export function commandsPage(): string {
  return page('Commands', "the command line's own help", [
    'In a clone, `npm run -s zkraft -- COMMAND` is `zkraft COMMAND`. With `--json` standard output holds JSON and nothing',
    'else. Exit codes are in [errors.md](errors.md).',
    '',
    ...[[], ...COMMANDS.map((name) => name.split(' '))].flatMap((words) => [
      `## ${['zkraft', ...words].join(' ')}`,
      '',
      '```text',
      help(words),
      '```',
      '',
    ]),
  ]);
}

/** What `zkraft ... --help` prints, without the flags that stand for settings (settings.md has those). */
function help(words: readonly string[]): string {
  const { ZKRAFT_URL: _, ...env } = process.env;
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(ROOT, 'src', 'cli', 'main.ts'), ...words, '--help'],
    { cwd: ROOT, encoding: 'utf8', env },
  );
  if (status !== 0) throw new Error(`zkraft ${words.join(' ')} --help exited ${status}: ${stderr}`);
  const blocks = stdout.trimEnd().split('\n\n');
  const kept = blocks.map((block) =>
    block.startsWith('Settings: ') ? `${block.split('\n')[0]} see settings.md` : block,
  );
  return kept.join('\n\n').replaceAll(/[ \t]+$/gm, '');
}
