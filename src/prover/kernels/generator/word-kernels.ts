/**
 * Elements as words, 32 bytes each, moved and no more; the same in every tier.
 *   words_gather(z, base, list, n)   z_i becomes the words number list_i (32 bits) from `base` on
 *   words_clear(at, n)               zeros
 */
import { get, plus, step } from './control.ts';

const WORDS_BYTES = 32;

export function wordKernels(): string[] {
  const half = (offset: number): string =>
    `(v128.store offset=${offset} ${get('z')} (v128.load offset=${offset} ${get('from')}))`;
  return [
    `(func $words_gather (export "words_gather") (param $z i32) (param $base i32) (param $list i32) (param $n i32)
  (local $from i32)
  (block $done (loop $next
    (br_if $done (i32.eqz ${get('n')}))
    (local.set $from ${plus(get('base'), `(i32.shl (i32.load ${get('list')}) (i32.const ${Math.log2(WORDS_BYTES)}))`)})
    ${half(0)}
    ${half(16)}
    ${step('z', WORDS_BYTES)} ${step('list', 4)} ${step('n', -1)}
    (br $next))))`,
    `(func $words_clear (export "words_clear") (param $at i32) (param $n i32)
  (memory.fill ${get('at')} (i32.const 0) (i32.shl ${get('n')} (i32.const ${Math.log2(WORDS_BYTES)}))))`,
  ];
}
