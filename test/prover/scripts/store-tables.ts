/** Stores tables that are full of one byte: store-tables.ts DIR DIGEST BYTES FILL. Prints what came of it, as JSON. */
import { TableCache } from '../../../src/prover/index.ts';

const [dir = '', zkeyDigest = '', bytes = '', fill = ''] = process.argv.slice(2);
const troubles: string[] = [];
const cache = new TableCache({ dir, onTrouble: ({ kind, message }) => troubles.push(`${kind}: ${message}`) });
const stored = await cache.store({ zkeyDigest, layout: 'test', version: 1 }, { fill }, [
  { name: 'all', bytes: new Uint8Array(Number(bytes)).fill(Number(fill)) },
]);
process.stdout.write(JSON.stringify({ stored, troubles }));
