// Copies what the compiler leaves behind to where the compiled code looks for it: src/**/*.sql and *.wasm to dist/**.
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(root, 'src');
const to = join(root, 'dist');

let copied = 0;
for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(sql|wasm)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const target = join(to, path.slice(from.length));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(path, target);
  copied += 1;
}
if (copied === 0) throw new Error(`no SQL or WebAssembly files under ${from}`);
