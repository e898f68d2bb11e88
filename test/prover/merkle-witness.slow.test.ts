/** Every depth that there is, against circom's program, in every kernel module. A compilation is some seconds. */
import { before, describe, it } from 'node:test';
import { type Hash2, MERKLE_DEPTH_MAX } from '../../src/prover/merkle/index.ts';
import { poseidon2 } from '../../src/prover/snarkjs/index.ts';
import {
  allFillers,
  assertFilled,
  compileDepth,
  type NamedFiller,
  treeStatements,
} from '../support/filled-witnesses.ts';
import { SeededRandom } from '../support/seeded-random.ts';

let hash: Hash2;
let fillers: readonly NamedFiller[];

before(async () => {
  hash = await poseidon2();
  fillers = await allFillers();
});

describe("a filled witness is that of circom's program", () => {
  for (let depth = 1; depth <= MERKLE_DEPTH_MAX; depth++) {
    it(`at depth ${depth}`, async () => {
      const compiled = await compileDepth(depth);
      for (const statement of treeStatements(hash, depth, new SeededRandom(depth))) {
        for (const filler of fillers) assertFilled(compiled, filler, statement);
      }
    });
  }
});
