import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CircuitFiles, prepareCircuitFiles } from '../../bench/prover/circuit-files.ts';
import { fieldInstance, outcomeText } from '../../bench/prover/field/instance.ts';
import { makeWasmcurves } from '../../bench/prover/field/wasmcurves.ts';
import { makeBaseline as makeHash } from '../../bench/prover/hash/baseline.ts';
import { hashesText, PAIRS, pairBytes } from '../../bench/prover/hash/instance.ts';
import { makeFfjavascript as makeMsm } from '../../bench/prover/msm/ffjavascript.ts';
import { pointText, readInstance } from '../../bench/prover/msm/instance.ts';
import { makeFfjavascript as makeNtt } from '../../bench/prover/ntt/ffjavascript.ts';
import { readCoefficients, valuesText } from '../../bench/prover/ntt/instance.ts';
import { makeBinary } from '../../bench/prover/prove/binary.ts';
import { makeOurs as makeOurKeys } from '../../bench/prover/setup/ours.ts';
import { makeReference } from '../../bench/prover/setup/reference.ts';
import { makeBaseline as makeTree } from '../../bench/prover/tree/baseline.ts';
import { leavesOf } from '../../bench/prover/tree/instance.ts';
import { Q, R } from '../../src/common/index.ts';
import { readG1Montgomery, readInteger, viewOf, writeInteger } from '../../src/prover/formats/index.ts';
import { G1, poseidon2Reference, rootOfUnity } from '../../src/prover/reference/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'zkraft-baselines-'));
const numbers = (bytes: Uint8Array): bigint[] =>
  Array.from({ length: bytes.length / 32 }, (_, i) => readInteger(viewOf(bytes), i * 32));
const bytesOf = (values: readonly bigint[]): Uint8Array => {
  const out = new Uint8Array(values.length * 32);
  values.forEach((value, i) => {
    writeInteger(viewOf(out), i * 32, value);
  });
  return out;
};

describe('what a baseline computes is what it is said to compute:', () => {
  let files: CircuitFiles;
  before(async () => {
    files = await prepareCircuitFiles(1, { artifactsDir: join(folder, 'artifacts') });
  });
  after(async () => {
    await files.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  const order = (bench: string, params: Record<string, string>) =>
    ({ bench, side: 'baseline', params, threads: 1, circuitDir: files.directory }) as const;

  it('products in Fq', async () => {
    const baseline = await makeWasmcurves(order('field', { operation: 'fq-mul' }));
    await baseline.run(0, fieldInstance('fq-mul').count * 2);
    const { x, y } = fieldInstance('fq-mul');
    const ys = numbers(y);
    const expected = numbers(x).map((value, i) => (value * (ys[i] ?? 0n)) % Q);
    assert.equal(await baseline.result?.(), outcomeText(bytesOf(expected)));
  });

  it('sums in G1', async () => {
    const baseline = await makeWasmcurves(order('field', { operation: 'g1-add' }));
    await baseline.run(0, fieldInstance('g1-add').count);
    const points = (bytes: Uint8Array) => {
      const all = numbers(bytes);
      return Array.from({ length: all.length / 2 }, (_, i) => ({ x: all[2 * i] ?? 0n, y: all[2 * i + 1] ?? 0n }));
    };
    const { x, y } = fieldInstance('g1-add');
    const sums = G1.addAffineBatch(points(x), points(y)).flatMap((p) => [p?.x ?? 0n, p?.y ?? 0n]);
    assert.equal(await baseline.result?.(), outcomeText(bytesOf(sums)));
  });

  it('multi-scalar multiplications', async () => {
    const baseline = await makeMsm(order('msm', { group: 'G1' }));
    await baseline.run(0, 1);
    const { bases, scalars } = await readInstance(order('msm', { group: 'G1' }));
    const points = Array.from({ length: bases.length / 64 }, (_, i) => readG1Montgomery(viewOf(bases), i * 64) ?? null);
    const sum = G1.multiplySum(points, numbers(scalars));
    assert.equal(await baseline.result?.(), pointText([sum?.x ?? 0n, sum?.y ?? 0n]));
    await baseline.close();
  });

  it('transforms', async () => {
    const baseline = await makeNtt(order('ntt', {}));
    await baseline.run(0, 1);
    // A transform is linear, so that of Montgomery forms is the Montgomery form of it.
    const coefficients = numbers(await readCoefficients(order('ntt', {})));
    const root = rootOfUnity(coefficients.length);
    let point = 1n;
    const values = coefficients.map(() => {
      const value = coefficients.reduceRight((sum, coefficient) => (sum * point + coefficient) % R, 0n);
      point = (point * root) % R;
      return value;
    });
    assert.equal(await baseline.result?.(), valuesText(bytesOf(values)));
    await baseline.close();
  });

  it('keys, which are those that ours makes', async () => {
    const [baseline, ours] = [await makeReference(order('setup', {})), await makeOurKeys(order('setup', {}))];
    for (const side of [baseline, ours]) await side.run(0, 1);
    assert.match(baseline.name, /reference in BigInt/);
    assert.notEqual(ours.tier, 'reference');
    assert.match((await baseline.result?.()) ?? '', /^[0-9a-f]{64}$/);
    assert.equal(await ours.result?.(), await baseline.result?.());
  });

  it('hashes', async () => {
    const baseline = await makeHash();
    await baseline.run(0, PAIRS);
    const nodes = numbers(pairBytes());
    const hashes = Array.from({ length: PAIRS }, (_, i) =>
      poseidon2Reference(nodes[2 * i] ?? 0n, nodes[2 * i + 1] ?? 0n),
    );
    assert.equal(await baseline.result?.(), hashesText(bytesOf(hashes)));
  });

  it('trees', async () => {
    const baseline = await makeTree();
    await baseline.run(0, 1);
    let level = leavesOf('baseline');
    while (level.length > 1) {
      const below = level;
      level = below.flatMap((node, i) => (i % 2 === 0 ? [poseidon2Reference(node, below[i + 1] ?? 0n)] : []));
    }
    assert.equal(await baseline.result?.(), String(level[0]));
  });

  it('and a foreign prover is one whose proof verifies', async () => {
    const stub = fileURLToPath(new URL('./stub-prover.mjs', import.meta.url));
    const places = ['{zkey}', '{wtns}', '{proof}', '{public}'];
    const binary = (words: readonly string[]) =>
      makeBinary({ ...order('prove', {}), side: 'binary', command: [...words, ...places] });
    const honest = await binary([process.execPath, stub]);
    const used = await honest.run(0, 1);
    assert.equal(await honest.result?.(), '');
    if (process.platform === 'linux') {
      assert.ok((used?.cpuMs ?? 0) >= 50, 'a Node that proves takes longer than that');
      assert.ok((used?.peakRssMb ?? 0) > 40);
    }
    const liar = await binary([process.execPath, stub, '--lie']);
    await liar.run(0, 1);
    await assert.rejects(async () => liar.result?.(), { code: 'bench_failed', message: /does not verify/ });
    const failing = await binary([process.execPath, '-e', 'console.error("no key"); process.exit(7)']);
    await assert.rejects(failing.run(0, 1), { code: 'bench_failed', message: /code 7: no key/ });
    const missing = await binary([join(folder, 'no-such-prover')]);
    await assert.rejects(missing.run(0, 1), { code: 'file_not_found', field: 'vs-binary' });
  });
});
