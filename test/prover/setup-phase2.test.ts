import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeWtns } from '../../src/prover/formats/index.ts';
import { verifyGroth16Reference } from '../../src/prover/reference/index.ts';
import { checkProvingKey, phase2Setup } from '../../src/prover/setup/index.ts';
import { chainCircuit } from '../support/chain-circuit.ts';
import { isRefusal } from '../support/refusals.ts';
import { closeSnarkjs, inMemory, loadSnarkjs, smallPtau, snarkjsProve } from '../support/snarkjs-oracle.ts';

function sectionStart(bytes: Uint8Array, wanted: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 12;
  while (view.getUint32(at, true) !== wanted) at += 12 + Number(view.getBigUint64(at + 4, true));
  return at + 12;
}

describe('set-up from a ceremony', () => {
  const circuit = chainCircuit(9); // 10 constraints, domain 16
  let directory: string;
  let ptau: Uint8Array;
  let path: string;
  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(directory, name), bytes);
    return join(directory, name);
  };

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'zkraft-test-'));
    // So that what the set-up leaves behind can be told from what others leave.
    process.env.TMPDIR = join(directory, 'tmp');
    mkdirSync(process.env.TMPDIR);
    ptau = await smallPtau(4);
    path = write('small.ptau', ptau);
  });
  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    await closeSnarkjs();
  });

  it('makes a sound key that snarkjs confirms against circuit and ceremony', async () => {
    const stages: string[] = [];
    const { zkey, verificationKey } = await phase2Setup(circuit.r1cs, path, {
      onProgress: (stage) => stages.push(stage),
    });
    assert.deepEqual(stages, ['key', 'contribution', 'verification']);
    assert.deepEqual(checkProvingKey(zkey, verificationKey), verificationKey);
    const { zKey } = await loadSnarkjs();
    assert.equal(await zKey.verifyFromR1cs(inMemory(circuit.r1cs), inMemory(ptau), inMemory(zkey)), true);
    const { proof, publicSignals } = await snarkjsProve(zkey, writeWtns(circuit.witness(2n, 3n)));
    assert.equal(verifyGroth16Reference(verificationKey, proof, publicSignals), true);
  });

  it('would have been forgeable without the contribution, which is why that key is refused', async () => {
    const { zKey } = await loadSnarkjs();
    const file = inMemory();
    await zKey.newZKey(inMemory(circuit.r1cs), inMemory(ptau), file);
    assert.ok(file.data);
    const bytes = Uint8Array.from(file.data);
    assert.throws(() => checkProvingKey(bytes), isRefusal('key_refused', /contributed/));
  });

  it('refuses files that are no ceremony, unprepared, cut short or too small, before snarkjs sees them', async () => {
    const refused = async (name: string, bytes: Uint8Array, message: RegExp) =>
      assert.rejects(phase2Setup(circuit.r1cs, write(name, bytes)), isRefusal('ptau_invalid', message), name);
    await refused('empty', new Uint8Array(), /ends at byte 0/);
    await refused('other', circuit.r1cs, /does not begin/);
    await refused('cut', ptau.subarray(0, ptau.length - 1000), /downloaded in full/);
    await refused('header only', ptau.subarray(0, 12), /within a header/);
    const curve = Uint8Array.from(ptau);
    curve[30] = (curve[30] ?? 0) ^ 1;
    await refused('curve', curve, /another curve/);
    const unprepared = Uint8Array.from(ptau);
    new DataView(unprepared.buffer).setUint32(8, 7, true);
    await refused('unprepared', unprepared, /not prepared/);
    await assert.rejects(phase2Setup(chainCircuit(40).r1cs, path), isRefusal('ptau_invalid', /2\^4 powers.*2\^6/));
    await assert.rejects(phase2Setup(circuit.r1cs, join(directory, 'absent')), isRefusal('file_not_found'));
    await assert.rejects(phase2Setup(circuit.r1cs, directory), isRefusal('ptau_invalid', /regular file/));
    await assert.rejects(phase2Setup(circuit.r1cs.subarray(1), path), isRefusal('r1cs_invalid'));
  });

  it('refuses a ceremony whose points do not fit together', async () => {
    const broken = Uint8Array.from(ptau);
    // Into the Lagrange bases, near the end of the file.
    broken.fill(7, broken.length - 200, broken.length - 190);
    await assert.rejects(phase2Setup(circuit.r1cs, write('broken', broken)), isRefusal('ptau_invalid'));

    // Sound points in the wrong place: two of those that H is made of, exchanged.
    const exchanged = Uint8Array.from(ptau);
    const basis = sectionStart(ptau, 12) + (2 * 16 - 1) * 64;
    exchanged.set(ptau.subarray(basis + 64, basis + 128), basis + 192);
    exchanged.set(ptau.subarray(basis + 192, basis + 256), basis + 64);
    await assert.rejects(
      phase2Setup(circuit.r1cs, write('exchanged', exchanged)),
      isRefusal('ptau_invalid', /does not verify/),
    );
  });

  it('ends its process and removes its files when it is aborted or out of time', async () => {
    const controller = new AbortController();
    const stages: string[] = [];
    const running = phase2Setup(circuit.r1cs, path, {
      signal: controller.signal,
      onProgress: (stage) => {
        stages.push(stage);
        controller.abort();
      },
    });
    await assert.rejects(running, isRefusal('cancelled'));
    assert.ok(!stages.includes('verification'), 'the process did not live on to the end');
    await assert.rejects(phase2Setup(circuit.r1cs, path, { signal: AbortSignal.abort() }), isRefusal('cancelled'));
    await assert.rejects(phase2Setup(circuit.r1cs, path, { timeoutMs: 20 }), isRefusal('prover_timeout'));
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith('zkraft')),
      [],
    );
  });
});
