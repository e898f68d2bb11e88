/** What both sides of `bench setup` do: the same circuit, the same random bytes, so the same key. */
import { sha256, sha256Hex, VERSION } from '../../../src/common/index.ts';
import { type SetupArithmetic, singlePartySetup } from '../../../src/prover/setup/index.ts';
import type { Contender, ContenderOrder } from '../../harness/contender.ts';
import { readR1cs } from '../circuit-files.ts';
import { circuitDirOf } from '../scalars.ts';

export async function makeContender(
  order: ContenderOrder,
  arithmetic: SetupArithmetic,
): Promise<Omit<Contender, 'name'> & { readonly version: string }> {
  const r1cs = await readR1cs(circuitDirOf(order));
  let zkey = new Uint8Array();
  return {
    version: `zkraft ${VERSION}`,
    operations: 1,
    run: async () => {
      const made = await singlePartySetup(r1cs, { arithmetic, threads: order.threads, randomBytes: knownBytes() });
      zkey = Uint8Array.from(made.zkey);
      return undefined;
    },
    result: async () => sha256Hex(zkey),
    close: async () => {},
  };
}

/** Nobody's secret: a key to be thrown away. 32 bytes at a time, as the set-up asks for them. */
function knownBytes(): (count: number) => Uint8Array {
  let draws = 0;
  return (count) => Uint8Array.from(sha256(`setup ${draws++}`)).subarray(0, count);
}
