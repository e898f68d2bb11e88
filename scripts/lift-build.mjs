/**
 * Lifts what the compiler emitted to where it is run from: src/** to dist/**, bench/** to dist/bench/**.
 *
 * The compiler mirrors the tree from its root, so src/ and bench/ come out side by side, while the package's doors are
 * dist/cli, dist/prover and so on. Imports that cross from one to the other are rewritten, and so are the source maps.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const EMITTED = join(DIST, '.emit');

/** Where an emitted file, or what an import in one names, is to be. */
function lifted(path) {
  const inside = relative(EMITTED, path);
  return join(DIST, inside.startsWith('src/') ? inside.slice('src/'.length) : inside);
}

function rebasedImports(text, path) {
  return text.replaceAll(
    /(\bfrom\s*|\bimport\s*|\bimport\(\s*)(['"])(\.{1,2}\/[^'"]+)\2/g,
    (whole, lead, quote, target) => {
      const aim = resolve(dirname(path), target);
      if (!aim.startsWith(`${EMITTED}/`)) return whole;
      const rebased = relative(dirname(lifted(path)), lifted(aim));
      return `${lead}${quote}${rebased.startsWith('.') ? rebased : `./${rebased}`}${quote}`;
    },
  );
}

function rebasedMap(text, path) {
  const map = JSON.parse(text);
  map.sources = map.sources.map((source) => relative(dirname(lifted(path)), resolve(dirname(path), source)));
  return JSON.stringify(map);
}

let count = 0;
for (const entry of readdirSync(EMITTED, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const text = readFileSync(path, 'utf8');
  mkdirSync(dirname(lifted(path)), { recursive: true });
  writeFileSync(lifted(path), path.endsWith('.map') ? rebasedMap(text, path) : rebasedImports(text, path));
  count += 1;
}
if (count === 0) throw new Error(`the compiler emitted nothing under ${EMITTED}`);
rmSync(EMITTED, { recursive: true });
