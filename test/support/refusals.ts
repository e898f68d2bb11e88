/** Says that something is refused as documented: a ZkraftError, with this code, whose message shows what is wrong. */
import assert from 'node:assert/strict';
import { type ErrorCode, ZkraftError } from '../../src/common/index.ts';

export function isRefusal(code: ErrorCode, message?: RegExp): (thrown: unknown) => true {
  return (thrown) => {
    assert.ok(thrown instanceof ZkraftError, `a ZkraftError was expected, not ${thrown}`);
    assert.equal(thrown.code, code, thrown.message);
    if (message) assert.match(thrown.message, message);
    return true;
  };
}

/** The code with which `f` is refused, or undefined when it is not. Anything but a ZkraftError passes through. */
export function refusalCode(f: () => unknown): ErrorCode | undefined {
  try {
    f();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof ZkraftError && thrown.code !== 'internal') return thrown.code;
    throw thrown;
  }
}
