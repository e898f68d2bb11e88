/** Signed digits of the two constant numbers of the pairing, and of scalars that select from tables of odd multiples. */

/** Non-adjacent form: digits -1, 0, 1, lowest first, no two neighbours both non-zero. */
export const nonAdjacentForm = (n: bigint): number[] => windowForm(n, 2);

/** Digits 0 or odd of magnitude below 2^(width - 1), lowest first; of `width` neighbours at most one is not zero. */
export function windowForm(n: bigint, width: number): number[] {
  const digits: number[] = [];
  const [modulus, half] = [1n << BigInt(width), 1n << BigInt(width - 1)];
  for (let rest = n; rest > 0n; rest >>= 1n) {
    let digit = 0n;
    if (rest & 1n) {
      const low = rest % modulus;
      digit = low >= half ? low - modulus : low;
      rest -= digit;
    }
    digits.push(Number(digit));
  }
  return digits;
}
