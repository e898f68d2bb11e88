/**
 * The command line of a foreign prover, such as `prover {zkey} {wtns} {proof} {public}` (rapidsnark's).
 *
 * It is split into words here and run without a shell: nothing in it is expanded but the four placeholders, which may
 * stand inside a word, too. Quotes and backslashes work as in a shell's words.
 */
import { ZkraftError } from '../../../src/common/index.ts';

export type Placeholder = 'zkey' | 'wtns' | 'proof' | 'public';

const PLACEHOLDERS: readonly Placeholder[] = ['zkey', 'wtns', 'proof', 'public'];

const refuse = (why: string): ZkraftError =>
  new ZkraftError('usage', `--vs-binary ${why}; write it as "prover {zkey} {wtns} {proof} {public}"`, {
    field: 'vs-binary',
  });

/** Its words, placeholders and all. Throws `usage`. */
export function parseCommandTemplate(text: string): readonly string[] {
  const words = splitWords(text);
  const [program] = words;
  if (program === undefined || program === '') throw refuse('names no program');
  const named = words.flatMap((word) => [...word.matchAll(/\{(\w*)\}/g)].map((match) => match[1] ?? ''));
  const unknown = named.find((name) => !PLACEHOLDERS.some((known) => known === name));
  if (unknown !== undefined) throw refuse(`has an unknown placeholder {${unknown}}`);
  const missing = PLACEHOLDERS.find((name) => !named.includes(name));
  if (missing !== undefined) throw refuse(`lacks {${missing}}`);
  return words;
}

export function fillCommand(words: readonly string[], paths: Readonly<Record<Placeholder, string>>): string[] {
  return words.map((word) => word.replaceAll(/\{(zkey|wtns|proof|public)\}/g, (_, name: Placeholder) => paths[name]));
}

function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '\\' && quote !== "'") {
      at += 1;
      if (at === text.length) throw refuse('ends in a backslash');
      word = (word ?? '') + text[at];
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== undefined) throw refuse(`has a ${quote} that is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
