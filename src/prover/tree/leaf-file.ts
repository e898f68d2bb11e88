/**
 * Leaves from a file, of any size, a chunk at a time: a JSON array of strings, or one leaf a line, where blank lines and
 * those that begin with # are passed over. The first character that is no space says which.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ZkraftError } from '../../common/index.ts';
import type { FoundLeaf } from './leaves.ts';

/** Far longer than any leaf; nothing longer is kept in memory. */
const TEXT_CHARS_MAX = 4096;
const CHUNK_BYTES = 256 * 1024;

export interface LeafFileOptions {
  /** What to call it in messages; default its path. */
  readonly name?: string;
  /** Told after each chunk: bytes read, and how many there are. */
  readonly onRead?: (bytes: number, bytesTotal: number) => void;
}

/** What a parser makes of the next piece of text; `last` when there is no more. */
interface LeafParser {
  take(text: string, last: boolean): FoundLeaf[];
}

export class LeafFile {
  readonly #path: string;
  readonly #name: string;
  readonly #onRead: LeafFileOptions['onRead'];

  constructor(path: string, options: LeafFileOptions = {}) {
    this.#path = path;
    this.#name = options.name ?? path;
    this.#onRead = options.onRead;
  }

  /** Rejects with `file_not_found`, `file_invalid`, `invalid_leaf` for a leaf that is no text, and what `onRead` throws. */
  async *batches(): AsyncGenerator<FoundLeaf[], void> {
    const bytesTotal = await this.#bytes();
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let parser: LeafParser | undefined;
    let bytes = 0;
    let passedOver = '';
    const take = (text: string, last: boolean): FoundLeaf[] => {
      if (parser === undefined && (last || text.trim() !== '')) {
        parser = text.trimStart().startsWith('[') ? new JsonLeaves(this.#name) : new LineLeaves(this.#name);
        // Lines of nothing before the first leaf count as lines.
        return parser.take(passedOver + text, last);
      }
      if (parser !== undefined) return parser.take(text, last);
      passedOver = keep(passedOver + text, this.#name);
      return [];
    };
    const decode = (chunk?: Uint8Array): string => {
      try {
        return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
      } catch (cause) {
        throw new ZkraftError('file_invalid', `${this.#name} is not UTF-8 text`, { field: 'leaves', cause });
      }
    };
    for await (const chunk of this.#chunks()) {
      bytes += chunk.length;
      yield take(decode(chunk), false);
      this.#onRead?.(bytes, bytesTotal);
    }
    yield take(decode(), true);
  }

  /** What its reader throws does not come by here. */
  async *#chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* createReadStream(this.#path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Uint8Array>;
    } catch (cause) {
      throw this.#unreadable(cause);
    }
  }

  async #bytes(): Promise<number> {
    const found = await stat(this.#path).catch((cause: unknown) => {
      throw this.#unreadable(cause);
    });
    if (found.isFile()) return found.size;
    throw new ZkraftError('file_invalid', `${this.#name} is not a regular file`, { field: 'leaves' });
  }

  #unreadable(cause: unknown): ZkraftError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new ZkraftError('file_not_found', `${this.#name} cannot be read: ${why}`, { field: 'leaves', cause });
  }
}

class LineLeaves implements LeafParser {
  readonly #name: string;
  #rest = '';
  #line = 0;

  constructor(name: string) {
    this.#name = name;
  }

  take(text: string, last: boolean): FoundLeaf[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = last ? '' : keep(lines.pop() ?? '', this.#name);
    const leaves: FoundLeaf[] = [];
    for (const line of lines) {
      this.#line += 1;
      const leaf = line.trim();
      if (leaf !== '' && !leaf.startsWith('#')) leaves.push({ leaf, place: ` (${this.#name}, line ${this.#line})` });
    }
    return leaves;
  }
}

/** One array of strings, without escapes, which no leaf needs. */
class JsonLeaves implements LeafParser {
  readonly #name: string;
  #rest = '';
  #next: 'open' | 'first' | 'value' | 'comma' | 'end' = 'open';
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  take(text: string, last: boolean): FoundLeaf[] {
    const all = this.#rest + text;
    const leaves: FoundLeaf[] = [];
    let at = 0;
    for (; at < all.length; at++) {
      const c = all.charAt(at);
      if (c === ' ' || c === '\n' || c === '\r' || c === '\t') continue;
      if (c === '"' && (this.#next === 'first' || this.#next === 'value')) {
        const end = all.indexOf('"', at + 1);
        if (end < 0) break;
        leaves.push({ leaf: all.slice(at + 1, end), place: ` (${this.#name})` });
        this.#count += 1;
        this.#next = 'comma';
        at = end;
      } else this.#step(c);
    }
    this.#rest = keep(all.slice(at), this.#name);
    if (last && this.#next !== 'end') throw this.#wrong('it ends in the middle of the array');
    return leaves;
  }

  #step(c: string): void {
    if (c === '[' && this.#next === 'open') this.#next = 'first';
    else if (c === ',' && this.#next === 'comma') this.#next = 'value';
    else if (c === ']' && (this.#next === 'first' || this.#next === 'comma')) this.#next = 'end';
    else if (this.#next === 'first' || this.#next === 'value') {
      const field = `leaves[${this.#count}]`;
      const text = `${field} (${this.#name}) is no string; write leaves as strings, such as "7"`;
      throw new ZkraftError('invalid_leaf', text, { field });
    } else throw this.#wrong(this.#next === 'end' ? 'something follows the array' : `${c} is where a comma should be`);
  }

  #wrong(what: string): ZkraftError {
    const text = `${this.#name} is not a JSON array of strings: ${what}, after ${this.#count} leaves`;
    return new ZkraftError('file_invalid', text, { field: 'leaves' });
  }
}

/** What waits for the next chunk. */
function keep(text: string, name: string): string {
  if (text.length <= TEXT_CHARS_MAX) return text;
  throw new ZkraftError('file_invalid', `${name} holds a text of more than ${TEXT_CHARS_MAX} characters`, {
    field: 'leaves',
  });
}
