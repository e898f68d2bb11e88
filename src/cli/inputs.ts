/** Reads what commands are given (files, lists of numbers), and writes what `--out` names. Every refusal names the flag or the file. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ZkraftError } from '../common/index.ts';

const TEXT_BYTES_MAX = 64 * 1024 * 1024;
const KEY_BYTES_MAX = 2 * 1024 * 1024 * 1024;

export async function readBytes(path: string, flag: string, bytesMax = KEY_BYTES_MAX): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile())
      throw new ZkraftError('file_invalid', `--${flag} ${path} is not a regular file`, { field: flag });
    const { size } = found;
    if (size > bytesMax) {
      throw new ZkraftError('file_invalid', `--${flag} ${path} is ${size} bytes; the most is ${bytesMax}`, {
        field: flag,
      });
    }
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof ZkraftError) throw cause;
    throw new ZkraftError('file_not_found', `--${flag} ${path} cannot be read: ${(cause as Error).message}`, {
      field: flag,
      cause,
    });
  }
}

export async function readJson(path: string, flag: string): Promise<unknown> {
  const bytes = await readBytes(path, flag, TEXT_BYTES_MAX);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ZkraftError('file_invalid', `--${flag} ${path} is not JSON: ${(cause as Error).message}`, {
      field: flag,
      cause,
    });
  }
}

/** Leaves as texts: a JSON array of strings, or one leaf a line (blank lines and # comments are passed over). */
export async function readLeaves(path: string): Promise<string[]> {
  const bytes = await readBytes(path, 'leaves', TEXT_BYTES_MAX);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ZkraftError('file_invalid', `--leaves ${path} is not UTF-8 text`, { field: 'leaves', cause });
  }
  if (!text.trimStart().startsWith('[')) {
    return text
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  }
  const json = await readJson(path, 'leaves');
  if (!Array.isArray(json))
    throw new ZkraftError('file_invalid', `--leaves ${path} is not a JSON array`, { field: 'leaves' });
  return json.map((leaf: unknown, i) => {
    if (typeof leaf === 'string') return leaf;
    throw new ZkraftError(
      'invalid_leaf',
      `--leaves ${path}: leaf ${i} is a ${typeof leaf}; write leaves as strings, such as "7"`,
      {
        field: `leaves[${i}]`,
      },
    );
  });
}

/** `8,16` as numbers from 1 to 32. */
export function parseDepths(text: string, flag: string): number[] {
  const depths = text.split(',').map((part) => part.trim());
  for (const depth of depths) {
    if (!/^([1-9]|[12][0-9]|3[0-2])$/.test(depth)) {
      throw new ZkraftError('invalid_depth', `--${flag}: "${depth}" is not a depth from 1 to 32`, { field: flag });
    }
  }
  return [...new Set(depths.map(Number))];
}

/** `0,3,5..9` as numbers, at most 1000. */
export function parseIndices(text: string, flag: string): number[] {
  const out: number[] = [];
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const match = /^(\d{1,10})(?:\.\.(\d{1,10}))?$/.exec(part);
    const from = Number(match?.[1]);
    const to = match?.[2] === undefined ? from : Number(match[2]);
    if (!match || to < from || out.length + (to - from) >= 1000) {
      throw new ZkraftError(
        'invalid_leaf_index',
        `--${flag}: "${part}" is not an index or a range such as 0..9 (1000 at most)`,
        {
          field: flag,
        },
      );
    }
    for (let i = from; i <= to; i++) out.push(i);
  }
  return out;
}

/** One index of a leaf: whether there is such a leaf, the tree says. */
export function parseIndex(text: string, flag: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new ZkraftError('invalid_leaf_index', `--${flag} ${text} is not a whole number from 0`, { field: flag });
}

/** What `write` does at the path of `--out`, resolved; any failure is `file_invalid`. */
export async function writeOut(out: string, write: (path: string) => Promise<void>): Promise<string> {
  const path = resolve(out);
  try {
    await write(path);
    return path;
  } catch (cause) {
    const why = `--out ${out} cannot be written: ${(cause as Error).message}`;
    throw new ZkraftError('file_invalid', why, { field: 'out', cause });
  }
}

/** As indented JSON, in a file. */
export const writeJson = async (path: string, value: unknown, spaces = 1): Promise<void> =>
  await writeFile(path, `${JSON.stringify(value, null, spaces)}\n`);
