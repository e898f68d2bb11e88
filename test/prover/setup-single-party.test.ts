import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parseR1cs, parseZkey, viewOf, visitTerms, writeWtns } from '../../src/prover/formats/index.ts';
import { Fr, rootOfUnity, verifyGroth16Reference } from '../../src/prover/reference/index.ts';
import {
  checkProvingKey,
  type SetupProgress,
  type SetupResult,
  singlePartySetup,
} from '../../src/prover/setup/index.ts';
import { type ChainCircuit, chainCircuit, writeR1cs } from '../support/chain-circuit.ts';
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

  it('stops at once when it is aborted, before and while it runs', async () => {
    await assert.rejects(singlePartySetup(circuit.r1cs, { signal: AbortSignal.abort() }), isRefusal('cancelled'));
    const controller = new AbortController();
    let abortedAt = 0;
    const running = singlePartySetup(chainCircuit(3000).r1cs, {
      threads: 2,
      signal: controller.signal,
      onProgress: ({ stage }) => {
        if (stage !== 'points' || abortedAt > 0) return;
        abortedAt = performance.now();
        controller.abort();
      },
    });
    await assert.rejects(running, isRefusal('cancelled'));
    assert.ok(abortedAt > 0 && performance.now() - abortedAt < 5000);
  });

  it('refuses what is not an r1cs, circuits that are too large, and absurd numbers of threads', async () => {
    await assert.rejects(singlePartySetup(new Uint8Array(100)), isRefusal('r1cs_invalid'));
    await assert.rejects(singlePartySetup(circuit.r1cs, { threads: 0 }), isRefusal('invalid_input', /threads/));
    const rows = Array.from({ length: 2 ** 20 }, () => [[], [], []] as const);
    const huge = writeR1cs({ wires: 1, outputs: 0, publicInputs: 0, privateInputs: 0, rows });
    await assert.rejects(singlePartySetup(huge), isRefusal('r1cs_invalid', /domain.*\.ptau/));
  });
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
      await singlePartySetup(circuit.r1cs, { threads: 1, randomBytes: drawn.randomBytes }),
      await singlePartySetup(circuit.r1cs, { threads: 1, randomBytes: plain.randomBytes }),
    ];
    assert.deepEqual(a.verificationKey, b.verificationKey);
    assert.equal(Buffer.compare(a.zkey, b.zkey), 0, 'the key is a function of circuit and trapdoor');
    assert.equal(plain.asked.length, 5);
    assert.equal(drawn.asked.length, 5 + Object.values(refused).flat().length);
  });

  it('is overwritten when the key is made, as are the random bytes it came from', async () => {
    const random = new SeededRandom(6);
    const drawn: Uint8Array[] = [];
    const shared: SharedArrayBuffer[] = [];
    const Original = globalThis.SharedArrayBuffer;
    globalThis.SharedArrayBuffer = class extends Original {
      constructor(byteLength: number) {
        super(byteLength);
        shared.push(this);
      }
    } as SharedArrayBufferConstructor;
    try {
      await singlePartySetup(circuit.r1cs, {
        threads: 1,
        randomBytes: (count) => {
          const bytes = random.bytes(count);
          drawn.push(bytes);
          return bytes;
        },
      });
    } finally {
      globalThis.SharedArrayBuffer = Original;
    }
    assert.ok(drawn.length >= 5 && shared.some((buffer) => buffer.byteLength === 5 * 32));
    for (const bytes of [...drawn, ...shared.map((buffer) => new Uint8Array(buffer))]) {
      assert.ok(bytes.every((byte) => byte === 0));
    }
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
