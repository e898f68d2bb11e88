/**
 * 64-bit FNV-1a, by which circom's witness programs know their signals. (Fowler, Noll, Vo; RFC 9923)
 *
 * As two 32-bit halves, which is how the programs take it. Over the name's char codes: circom's names are ASCII.
 */
const OFFSET_BASIS = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;

export function fnv1a64(name: string): { readonly high: number; readonly low: number } {
  let hash = OFFSET_BASIS;
  for (let at = 0; at < name.length; at++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(name.charCodeAt(at))) * PRIME);
  }
  return { high: Number(hash >> 32n), low: Number(hash & 0xffffffffn) };
}
