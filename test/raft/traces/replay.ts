/**
 * Finds etcd's scripts and replays them: every line of output must be the script's, except for log prose, which is
 * taken out of both sides.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { confchangeScript } from './confchange-script.ts';
import { type Directive, parseScript } from './datadriven.ts';
import { interactionScript } from './interaction-script.ts';
import { quorumScript } from './quorum-script.ts';

type Answer = (directive: Directive) => string;

export interface Script {
  /** From the folder of the traces. */
  readonly name: string;
  readonly path: string;
  /** Each is one way to replay it. */
  readonly ways: Readonly<Record<string, () => Answer>>;
}

/** An election timeout is 3 ticks and up to 2 more by chance: with each, the scripts must come out the same. */
const INTERACTION: Script['ways'] = Object.fromEntries(
  [0, 1, 2].map((jitter) => [`jitter ${jitter}`, () => interactionScript(jitter)]),
);

const FOLDERS: readonly (readonly [folder: string, ways: Script['ways']])[] = [
  ['testdata', INTERACTION],
  ['quorum', { once: quorumScript }],
  ['confchange', { once: confchangeScript }],
];

/** Below a checkout of etcd-io/raft, or a folder with a part of its data: any of the folders may be absent. */
export function findScripts(root: string): Script[] {
  return FOLDERS.flatMap(([folder, ways]) => {
    const path = join(root, folder);
    if (!existsSync(path)) return [];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.txt'))
      .sort()
      .map((name) => ({ name: `${folder}/${name.replaceAll('\\', '/')}`, path: join(path, name), ways }));
  });
}

const PROSE = /^\s*(?:DEBUG|INFO|WARN|WARNING|ERROR|FATAL|PANIC)\b/;

/** Without prose; `ok` is what a command prints that has nothing else to say. */
export function withoutProse(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => !PROSE.test(line));
  while (lines.at(-1) === '') lines.pop();
  const text = lines.join('\n');
  return text === 'ok' ? '' : text;
}

export interface Mismatch {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
  readonly actual: string;
}

/** The first directive that is answered otherwise; what follows would only be its consequence. */
export function replay(text: string, answer: Answer): Mismatch | undefined {
  for (const directive of parseScript(text)) {
    const expected = withoutProse(directive.expected);
    let actual: string;
    try {
      actual = withoutProse(answer(directive));
    } catch (error) {
      actual = `threw ${(error as Error).stack}`;
    }
    if (actual !== expected) return { line: directive.line, command: directive.command, expected, actual };
  }
  return undefined;
}

export function replayFile(script: Script, way: string): Mismatch | undefined {
  return replay(readFileSync(script.path, 'utf8'), (script.ways[way] as () => Answer)());
}
