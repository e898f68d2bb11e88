/**
 * The script format of github.com/cockroachdb/datadriven, in which etcd keeps its traces.
 *
 * A directive is a line `command arg key=value key=(a,b)` (a `\` at its end goes on in the next line), lines of input,
 * `----`, and the expected output up to an empty line; or, when the output has empty lines itself, `----` twice before
 * and after. `#` at the start of a line is a comment.
 */
/** An error that a script expects to see, in etcd's words. */
export class ScriptError extends Error {}

export interface Argument {
  readonly key: string;
  /** None for a bare word. */
  readonly values: readonly string[];
}

export interface Directive {
  /** Counted from 1. */
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

const SEPARATOR = '----';

export function parseScript(text: string): Directive[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const directives: Directive[] = [];
  let at = 0;
  while (at < lines.length) {
    let head = (lines[at] as string).trim();
    const line = ++at;
    if (head === '' || head.startsWith('#')) continue;
    while (head.endsWith('\\') && at < lines.length) head = `${head.slice(0, -1)} ${(lines[at++] as string).trim()}`;

    const input: string[] = [];
    while (at < lines.length && lines[at] !== SEPARATOR) input.push(lines[at++] as string);
    if (at >= lines.length) throw new Error(`line ${line}: no ${SEPARATOR} after "${head}"`);
    at++;

    const expected: string[] = [];
    if (lines[at] === SEPARATOR) {
      at++;
      while (!(lines[at] === SEPARATOR && lines[at + 1] === SEPARATOR)) {
        if (at >= lines.length) throw new Error(`line ${line}: the output has no end`);
        expected.push(lines[at++] as string);
      }
      at += 2;
    } else {
      while (at < lines.length && (lines[at] as string).trim() !== '') expected.push(lines[at++] as string);
    }
    const { command, args } = parseHead(head);
    directives.push({ line, command, args, input: input.join('\n').trim(), expected: expected.join('\n') });
  }
  return directives;
}

function parseHead(head: string): { readonly command: string; readonly args: readonly Argument[] } {
  const [command, ...words] = head.match(/[^\s=]+=\([^)]*\)|\S+/g) ?? [];
  if (command === undefined) throw new Error(`no command in "${head}"`);
  return { command, args: words.map(parseArgument) };
}

function parseArgument(word: string): Argument {
  const [, key, list, single] = /^([^=]+)=(?:\(([^)]*)\)|(.*))$/.exec(word) ?? [];
  if (key === undefined) return { key: word, values: [] };
  const values = list === undefined ? [single ?? ''] : list.split(',').map((value) => value.trim());
  return { key, values: values.filter((value) => value !== '') };
}

export function numeric(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`"${text}" is no number`);
  return Number(text);
}

export function boolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new Error(`"${text}" is neither true nor false`);
}
