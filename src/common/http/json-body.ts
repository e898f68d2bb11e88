/**
 * Strict JSON for request bodies (RFC 8259, with the choices it leaves open made).
 *
 * `JSON.parse` alone would let three things pass that mean different things to different readers: bytes that are not
 * UTF-8 (silently replaced), a key twice in one object (the last one wins here, the first elsewhere), and `__proto__`
 * as a key. All three are refused, and so is nesting deeper than any request of ours.
 *
 * The grammar is left to `JSON.parse`. The scan before it looks only at brackets, strings and commas, so that what is
 * too deep or has too many keys costs no parse; where the text is no JSON it may see anything, and the parse refuses it.
 */
import { ZkraftError } from '../errors.ts';

/** More than any request of ours has; they bound what one body can cost the event loop (5 MB of `{},` took 0.8 s). */
const KEYS_MAX = 256;
const VALUES_MAX = 50_000;

/** The value that `bytes` spell. Throws `invalid_json`; `invalid_request` for a key that is twice there or forbidden. */
export function parseJsonBody(bytes: Uint8Array, depthMax: number): unknown {
  if (bytes.length === 0) throw new ZkraftError('invalid_json', 'the body is empty; send a JSON object');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ZkraftError('invalid_json', 'the body is not UTF-8');
  }
  scan(text, depthMax);
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new ZkraftError('invalid_json', `the body is not JSON${positionIn(thrown)}`);
  }
}

/** Where the parser stopped. Its message is not passed on whole, because it quotes the body. */
function positionIn(thrown: unknown): string {
  const match = thrown instanceof Error ? /at position (\d+)/.exec(thrown.message) : null;
  return match ? `: it goes wrong at character ${match[1]}` : ': it ends too early or is malformed';
}

function scan(text: string, depthMax: number): void {
  // One entry per open bracket: the keys seen so far for an object, undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let keyNext = false;
  let values = 0;
  const count = (): void => {
    values += 1;
    if (values > VALUES_MAX) {
      throw new ZkraftError('invalid_request', `the body has more than ${VALUES_MAX} values`);
    }
  };
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: {
        // [
        const isObject = text.charCodeAt(at) === 0x7b;
        count();
        open.push(isObject ? new Set() : undefined);
        keyNext = isObject;
        if (open.length > depthMax) {
          throw new ZkraftError('invalid_request', `the body is nested deeper than ${depthMax} levels`);
        }
        break;
      }
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        keyNext = false;
        break;
      case 0x2c: // ,
        count();
        keyNext = open.at(-1) !== undefined;
        break;
      case 0x22: {
        // "
        const end = stringEnd(text, at);
        if (end < 0) return;
        if (keyNext) checkKey(text.slice(at, end + 1), open.at(-1));
        keyNext = false;
        at = end;
        break;
      }
    }
  }
}

/**
 * Index of the quote that closes the string opened at `start`: the first with an even run of backslashes before it.
 * -1 when there is none.
 */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return -1;
}

function checkKey(quoted: string, seen: Set<string> | undefined): void {
  const key = quoted.includes('\\') ? unescaped(quoted) : quoted.slice(1, -1);
  if (key === '__proto__') throw new ZkraftError('invalid_request', 'the key "__proto__" is not allowed');
  if (seen?.has(key)) {
    const shown = JSON.stringify(key.slice(0, 64));
    throw new ZkraftError('invalid_request', `the key ${shown} is there twice in one object`);
  }
  if (seen && seen.size >= KEYS_MAX) {
    throw new ZkraftError('invalid_request', `an object in the body has more than ${KEYS_MAX} keys`);
  }
  seen?.add(key);
}

function unescaped(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    // No JSON string; the parse of the whole refuses it.
    return quoted;
  }
}
