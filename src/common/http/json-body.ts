/**
 * Strict JSON for request bodies (RFC 8259, with the choices it leaves open made).
 *
 * `JSON.parse` alone would let three things pass that mean different things to different readers: bytes that are not
 * UTF-8 (silently replaced), a key twice in one object (the last one wins here, the first elsewhere), and `__proto__`
 * as a key. All three are refused, and so is nesting deeper than any request of ours.
 *
 * The grammar is left to `JSON.parse`; the scan that follows walks text which is known to be valid, and so stays short.
 */
import { ZkraftError } from '../errors.ts';

/** The value that `bytes` spell. Throws `invalid_json`; `invalid_request` for a key that is twice there or forbidden. */
export function parseJsonBody(bytes: Uint8Array, depthMax: number): unknown {
  if (bytes.length === 0) throw new ZkraftError('invalid_json', 'the body is empty; send a JSON object');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ZkraftError('invalid_json', 'the body is not UTF-8');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new ZkraftError('invalid_json', `the body is not JSON${positionIn(thrown)}`);
  }
  scan(text, depthMax);
  return value;
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
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: {
        // [
        const isObject = text.charCodeAt(at) === 0x7b;
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
        keyNext = open.at(-1) !== undefined;
        break;
      case 0x22: {
        // "
        const end = stringEnd(text, at);
        if (keyNext) checkKey(text.slice(at, end + 1), open.at(-1));
        keyNext = false;
        at = end;
        break;
      }
    }
  }
}

/** Index of the quote that closes the string opened at `start`: the first with an even run of backslashes before it. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}

function checkKey(quoted: string, seen: Set<string> | undefined): void {
  const key = JSON.parse(quoted) as string;
  const shown = JSON.stringify(key.slice(0, 64));
  if (key === '__proto__') throw new ZkraftError('invalid_request', 'the key "__proto__" is not allowed');
  if (seen?.has(key)) throw new ZkraftError('invalid_request', `the key ${shown} is there twice in one object`);
  seen?.add(key);
}
