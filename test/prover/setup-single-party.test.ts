import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compileCircuit, merkleSource } from '../../src/prover/circuits/index.ts';
import { parseR1cs, parseZkey, viewOf, visitTerms, writeWtns } from '../../src/prover/formats/index.ts';
import { loadKernelModule, RESERVED_BYTES } from '../../src/prover/kernels/index.ts';
import { Fr, rootOfUnity, verifyGroth16Reference } from '../../src/prover/reference/index.ts';
import {
  checkProvingKey,
  type SetupArithmetic,
  type SetupProgress,
  type SetupResult,
  singlePartySetup,
} from '../../src/prover/setup/index.ts';
import { type ChainCircuit, chainCircuit, writeR1cs } from '../support/chain-circuit.ts';
import { KERNEL_NAMES } from '../support/kernels.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { closeSnarkjs, inMemory, loadSnarkjs, snarkjsProve, snarkjsVerify } from '../support/snarkjs-oracle.ts';

const le = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

describe('one-party set-up', () => {
  let circuit: ChainCircuit;
  let key: SetupResult;

  before(async () => {
    circuit = chainCircuit(20);
    key = await singlePartySetup(circuit.r1cs, { threads: 2 });
  });
  after(closeSnarkjs);

  it('makes a key with which snarkjs proves, and what it proves verifies by snarkjs and by the reference', async () => {
    const witness = circuit.witness(7n, 12345n);
    const { proof, publicSignals } = await snarkjsProve(key.zkey, writeWtns(witness));
    assert.deepEqual(publicSignals, [witness[1]?.toString(), '12345']);
    assert.equal(await snarkjsVerify(key.verificationKey, publicSignals, proof), true);
    assert.equal(verifyGroth16Reference(key.verificationKey, proof, publicSignals), true);

    const others = [publicSignals[0] ?? '', '12346'];
    assert.equal(await snarkjsVerify(key.verificationKey, others, proof), false);
    assert.equal(verifyGroth16Reference(key.verificationKey, proof, others), false);
    const swapped = { ...proof, pi_a: proof.pi_c, pi_c: proof.pi_a };
    assert.equal(verifyGroth16Reference(key.verificationKey, swapped, publicSignals), false);
  });

  it('makes proofs of false statements that do not verify', async () => {
    const witness = circuit.witness(7n, 1n);
    witness[9] = Fr.add(witness[9] ?? 0n, 1n);
    const { proof, publicSignals } = await snarkjsProve(key.zkey, writeWtns(witness));
    assert.equal(await snarkjsVerify(key.verificationKey, publicSignals, proof), false);
    assert.equal(verifyGroth16Reference(key.verificationKey, proof, publicSignals), false);
  });

  it('returns the verification key that snarkjs exports from the zkey, as text', async () => {
    const { zKey } = await loadSnarkjs();
    assert.equal(
      JSON.stringify(await zKey.exportVerificationKey(inMemory(key.zkey))),
      JSON.stringify(key.verificationKey),
    );
  });

  it('makes keys that pass their own checks, and differ each time', async () => {
    assert.deepEqual(checkProvingKey(key.zkey, key.verificationKey), key.verificationKey);
    const again = await singlePartySetup(circuit.r1cs, { threads: 1 });
    assert.notDeepEqual(again.verificationKey.vk_alpha_1, key.verificationKey.vk_alpha_1);
    assert.notDeepEqual(again.verificationKey.vk_delta_2, key.verificationKey.vk_delta_2);
    assert.notDeepEqual(key.verificationKey.vk_gamma_2, key.verificationKey.vk_delta_2);
  });

  it('fits domains at both sides of a power of two, and circuits without constraints or publics', async () => {
    for (const steps of [4, 5, 12, 13]) {
      const small = chainCircuit(steps);
      const { zkey, verificationKey } = await singlePartySetup(small.r1cs, { threads: 1 });
      const { domainSize } = parseZkey(zkey).header;
      // steps + 1 constraints, two public wires and the constant
      assert.ok(domainSize >= steps + 4 && domainSize < 2 * (steps + 4), `${steps} steps: ${domainSize}`);
      const { proof, publicSignals } = await snarkjsProve(zkey, writeWtns(small.witness(3n, 4n)));
      assert.equal(await snarkjsVerify(verificationKey, publicSignals, proof), true);
    }
    const empty = writeR1cs({ wires: 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows: [] });
    const { zkey, verificationKey } = await singlePartySetup(empty, { threads: 1 });
    assert.equal(parseZkey(zkey).header.domainSize, 2);
    assert.equal(verificationKey.nPublic, 0);
  });

  it('writes the coefficients row by row with one more row for each public wire', () => {
    const r1cs = parseR1cs(circuit.r1cs);
    const { coefficients } = parseZkey(key.zkey).sections;
    const view = viewOf(coefficients);
    const entries = Array.from({ length: view.getUint32(0, true) }, (_, i) =>
      [0, 4, 8].map((o) => view.getUint32(4 + 44 * i + o, true)).join(' '),
    );
    const expected: string[] = [];
    visitTerms(r1cs, (matrix, row, wire) => {
      if (matrix < 2) expected.push(`${matrix} ${row} ${wire}`);
    });
    for (const s of [0, 1, 2]) expected.push(`0 ${r1cs.constraints + s} ${s}`);
    assert.deepEqual(entries, expected);
  });

  it('reports progress up to the end and leaves the event loop free', async () => {
    const reports: SetupProgress[] = [];
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await singlePartySetup(chainCircuit(1500).r1cs, { threads: 2, onProgress: (p) => reports.push(p) });
    clearInterval(timer);
    assert.equal(reports[0]?.stage, 'scalars');
    assert.equal(reports.at(-1)?.stage, 'key');
    const points = reports.filter((p) => p.stage === 'points');
    assert.ok(points.length > 5);
    assert.ok(points.every((p, i) => p.done <= p.total && p.done > (points[i - 1]?.done ?? 0)));
    assert.equal(points.at(-1)?.done, points.at(-1)?.total);
    assert.ok(ticks > 20, `${ticks} timer ticks`);
  });

  for (const threads of [0, 2]) {
    it(`stops at once when it is aborted, before and while it runs, ${threads} threads`, async () => {
      await assert.rejects(
        singlePartySetup(circuit.r1cs, { threads, signal: AbortSignal.abort() }),
        isRefusal('cancelled'),
      );
      for (const arithmetic of [undefined, 'reference'] as const) {
        const controller = new AbortController();
        let abortedAt = 0;
        let reports = 0;
        const running = singlePartySetup(chainCircuit(3000).r1cs, {
          threads,
          ...(arithmetic ? { arithmetic } : {}),
          signal: controller.signal,
          onProgress: ({ stage }) => {
            if (stage === 'points') reports++;
            if (stage !== 'points' || abortedAt > 0) return;
            abortedAt = performance.now();
            controller.abort();
          },
        });
        await assert.rejects(running, isRefusal('cancelled'));
        assert.ok(abortedAt > 0 && performance.now() - abortedAt < 5000);
        assert.equal(reports, 1, 'nothing was done any more');
      }
    });
  }

  it('lets others run between its jobs on the own thread', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await singlePartySetup(chainCircuit(1500).r1cs, { threads: 0 });
    clearInterval(timer);
    assert.ok(ticks > 5, `${ticks} timer ticks`);
  });

  it('refuses what is not an r1cs, circuits that are too large, and absurd numbers of threads', async () => {
    await assert.rejects(singlePartySetup(new Uint8Array(100)), isRefusal('r1cs_invalid'));
    await assert.rejects(singlePartySetup(circuit.r1cs, { threads: -1 }), isRefusal('invalid_input', /threads/));
    const rows = Array.from({ length: 2 ** 20 }, () => [[], [], []] as const);
    const huge = writeR1cs({ wires: 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows });
    await assert.rejects(singlePartySetup(huge), isRefusal('r1cs_invalid', /domain.*\.ptau/));
    const wide = writeR1cs({ wires: 2 ** 22 + 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows: [] });
    await assert.rejects(singlePartySetup(wide), isRefusal('r1cs_invalid', /wires.*\.ptau/));
  });
});

describe('a key on the kernels', () => {
  const seeded = (seed: number) => {
    const random = new SeededRandom(seed);
    return (count: number): Uint8Array => random.bytes(count);
  };
  const circuits: { readonly name: string; readonly r1cs: Uint8Array }[] = [];
  before(async () => {
    for (const depth of [1, 2, 5]) {
      const { r1cs } = await compileCircuit(merkleSource(depth));
      circuits.push({ name: `Merkle of depth ${depth}`, r1cs });
    }
    for (const steps of [1, 4, 5, 700]) circuits.push({ name: `a chain of ${steps}`, r1cs: chainCircuit(steps).r1cs });
    const empty = { wires: 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows: [] };
    circuits.push({ name: 'nothing', r1cs: writeR1cs(empty) });
  });

  const expected = new Map<string, SetupResult>();
  const makes = async (arithmetic: SetupArithmetic, threads: number, bytesMin = 0): Promise<void> => {
    for (const [i, { name, r1cs }] of circuits.entries()) {
      if (r1cs.length < bytesMin) continue;
      const key = await singlePartySetup(r1cs, { arithmetic, threads, randomBytes: seeded(i) });
      const reference =
        expected.get(name) ??
        (await singlePartySetup(r1cs, { arithmetic: 'reference', threads: 2, randomBytes: seeded(i) }));
      expected.set(name, reference);
      assert.equal(Buffer.compare(key.zkey, reference.zkey), 0, name);
      assert.deepEqual(key.verificationKey, reference.verificationKey);
    }
  };
  for (const name of KERNEL_NAMES) {
    it(`is the reference's, byte for byte, on ${name}`, async () => makes(await loadKernelModule(name), 0));
  }
  for (const threads of [1, 3]) {
    it(`is so with ${threads} threads`, async () =>
      makes(await loadKernelModule(KERNEL_NAMES[0] ?? 'int2-memory'), threads, 50_000));
  }
});

describe('the trapdoor', () => {
  const circuit = chainCircuit(4); // domain 8
  /** Draws these values first, then others at random. */
  const scripted = (values: readonly bigint[]) => {
    const random = new SeededRandom(5);
    const queue = [...values];
    const asked: number[] = [];
    return {
      asked,
      randomBytes(count: number) {
        asked.push(count);
        const next = queue.shift();
        return next === undefined ? random.bytes(count) : le(next);
      },
    };
  };

  it('is drawn again where a value would make the key weak or void', async () => {
    const w16 = rootOfUnity(16);
    const [tau, alpha, beta, gamma, delta] = [11n, 12n, 13n, 14n, 15n];
    const refused = {
      tau: [0n, 1n, Fr.modulus - 1n, Fr.modulus, (1n << 254n) - 1n, w16, Fr.square(w16)],
      alpha: [0n],
      beta: [0n],
      gamma: [0n, 1n, Fr.modulus - 1n],
      delta: [0n, 1n, Fr.modulus - 1n, gamma, Fr.modulus - gamma],
    };
    for (const arithmetic of [{}, { arithmetic: 'reference' }] as const) {
      const drawn = scripted([
        ...refused.tau,
        tau,
        ...refused.alpha,
        alpha,
        ...refused.beta,
        beta,
        ...refused.gamma,
        gamma,
        ...refused.delta,
        delta,
      ]);
      const plain = scripted([tau, alpha, beta, gamma, delta]);
      const [a, b] = [
        await singlePartySetup(circuit.r1cs, { threads: 1, ...arithmetic, randomBytes: drawn.randomBytes }),
        await singlePartySetup(circuit.r1cs, { threads: 1, ...arithmetic, randomBytes: plain.randomBytes }),
      ];
      assert.deepEqual(a.verificationKey, b.verificationKey);
      assert.equal(Buffer.compare(a.zkey, b.zkey), 0, 'the key is a function of circuit and trapdoor');
      assert.equal(plain.asked.length, 5);
      assert.equal(drawn.asked.length, 5 + Object.values(refused).flat().length);
    }
  });

  /** Calls `made` with what is shared between threads while `run` runs: memories of kernels, and buffers. */
  const watched = async (run: () => Promise<unknown>) => {
    const [memories, buffers]: [WebAssembly.Memory[], SharedArrayBuffer[]] = [[], []];
    const { SharedArrayBuffer: Buffers } = globalThis;
    const { Memory } = WebAssembly;
    globalThis.SharedArrayBuffer = class extends Buffers {
      constructor(byteLength: number) {
        super(byteLength);
        buffers.push(this);
      }
    } as SharedArrayBufferConstructor;
    WebAssembly.Memory = class extends Memory {
      constructor(descriptor: ConstructorParameters<typeof Memory>[0]) {
        super(descriptor);
        memories.push(this);
      }
    };
    try {
      await run();
    } finally {
      globalThis.SharedArrayBuffer = Buffers;
      WebAssembly.Memory = Memory;
    }
    return { memories, buffers };
  };
  const isZero = (bytes: Uint8Array): boolean => Buffer.from(bytes).equals(Buffer.alloc(bytes.length));

  for (const [how, threads, abort] of [
    ['a thread', 1, false],
    ['no thread', 0, false],
    ['threads that were stopped', 2, true],
  ] as const) {
    it(`is overwritten in the end, with all that was made of it by ${how}`, async () => {
      const random = new SeededRandom(6);
      const drawn: Uint8Array[] = [];
      const controller = new AbortController();
      let sawSecrets = false;
      const { memories, buffers } = await watched(async () => {
        const running = singlePartySetup(chainCircuit(3000).r1cs, {
          threads,
          arithmetic: await loadKernelModule(KERNEL_NAMES[0] ?? 'int2-memory'),
          signal: controller.signal,
          randomBytes: (count) => {
            const bytes = random.bytes(count);
            drawn.push(bytes);
            return bytes;
          },
          onProgress: ({ stage }) => {
            if (stage !== 'points') return;
            sawSecrets = true;
            if (abort) controller.abort();
          },
        });
        if (abort) await assert.rejects(running, isRefusal('cancelled'));
        else await running;
      });
      assert.ok(sawSecrets && drawn.length >= 5 && drawn.every(isZero));
      // The circuit is in a buffer; nothing that is secret is.
      assert.deepEqual(
        buffers.map((buffer) => buffer.byteLength),
        [chainCircuit(3000).r1cs.length],
      );
      assert.equal(memories.length, 2);
      for (const memory of memories) {
        assert.ok(memory.buffer.byteLength > 1_048_576, 'it was used');
        assert.ok(isZero(new Uint8Array(memory.buffer, RESERVED_BYTES)));
      }
    });
  }

  it('is overwritten by the reference too, as far as it is not in BigInts', async () => {
    const { buffers } = await watched(() => singlePartySetup(circuit.r1cs, { threads: 1, arithmetic: 'reference' }));
    assert.ok(buffers.some((buffer) => buffer.byteLength === 5 * 32));
    assert.ok(buffers.every((buffer) => isZero(new Uint8Array(buffer))));
  });

  it('is not drawn for ever from a generator that is stuck', async () => {
    await assert.rejects(
      singlePartySetup(circuit.r1cs, { threads: 1, randomBytes: (count) => new Uint8Array(count) }),
      isRefusal('internal', /random generator/),
    );
  });
});

describe('a circuit of the size of depth-20 Merkle', () => {
  it('has its key well within a minute', async () => {
    const started = performance.now();
    const { zkey } = await singlePartySetup(chainCircuit(4860).r1cs);
    assert.ok(performance.now() - started < 30_000);
    assert.equal(parseZkey(zkey, { level: 'header' }).header.domainSize, 2 ** 13);
  });
});
