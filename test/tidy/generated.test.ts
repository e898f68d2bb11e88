import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generate, MODULES } from '../../src/prover/kernels/generator/tiers.ts';
import { ROOT, read } from './source-tree.ts';

describe('the generated gRPC code', () => {
  it('is what the contracts generate', () => {
    const out = mkdtempSync(join(tmpdir(), 'zkraft-gen-'));
    try {
      const template = join(out, 'buf.gen.yaml');
      writeFileSync(
        template,
        read('buf.gen.yaml').replace('out: src/common/rpc/gen', `out: ${out}/gen`).replace('clean: true\n', ''),
      );
      const { status, stderr } = spawnSync('npx', ['--no-install', 'buf', 'generate', '--template', template], {
        cwd: ROOT,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      assert.equal(
        readFileSync(join(out, 'gen/zkraft/v1/worker.ts'), 'utf8'),
        read('src/common/rpc/gen/zkraft/v1/worker.ts'),
      );
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});

describe('the generated kernels', () => {
  it('are what the generator writes (npm run gen:kernels)', () => {
    for (const name of Object.keys(MODULES)) {
      const committed = readFileSync(join(ROOT, `src/prover/kernels/binaries/${name}.wasm`));
      assert.ok(committed.equals(generate(name)), `${name}.wasm is stale`);
    }
  });
});
