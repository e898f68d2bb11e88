/**
 * A Merkle tree of a file of leaves, the path of one leaf, and a leaf more: `npx tsx examples/tree.ts`.
 *
 * What is printed is what `zkraft tree path --leaves examples/leaves.json --depth 20 --index 3` prints, and then the root
 * with one member more.
 */
import { fileURLToPath } from 'node:url';
import { LeafFile, MerkleTree } from 'zkraft/prover';

const leaves = new LeafFile(fileURLToPath(new URL('./leaves.json', import.meta.url)));
const tree = await MerkleTree.build({ depth: 20, leaves });
const index = 3;
const { root, siblings } = tree.path(index);
console.log(`Leaf ${index}: ${tree.leaf(index)}`);
for (const [height, sibling] of siblings.entries()) console.log(`  ${String(height).padStart(2)}  ${sibling}`);
console.log(`Root: ${root}`);

await tree.append(['0x1f']);
console.log(`With ${tree.leafCount} leaves: ${tree.root}`);
