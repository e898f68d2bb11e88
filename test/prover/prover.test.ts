import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { R } from '../../src/common/index.ts';
import {
  type CircuitArtifacts,
  type CircuitInput,
  circuitFromFiles,
  compileCircuit,
  createProver,
  describeBackends,
  type Groth16Proof,
  type Prover,
  type ProveStage,
  singlePartySetup,
  verifyGroth16Reference,
} from '../../src/prover/index.ts';
import { type MerkleWitnessParts, merkleInput, SmallMerkleTree } from '../../src/prover/merkle/index.ts';
import { type MerkleKeys, makeMerkleKeys, naiveLevels, oraclePoseidon } from '../support/merkle-circuits.ts';
import { isRefusal } from '../support/refusals.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { closeSnarkjs, snarkjsVerify } from '../support/snarkjs-oracle.ts';

const random = new SeededRandom(11);
const someLeaves = (count: number): bigint[] => Array.from({ length: count }, () => random.bigintBelow(R - 1n) + 1n);

/** out = a b; its witness program runs for ever when a = 7, which circom allows. */
const LOOPING = `pragma circom 2.1.6;
template Main() { signal input a; signal input b; signal output out; var i = 0;
  while (a == 7) { i = i + 1; } out <== a * b; signal spare; spare <-- i; }
component main = Main();`;

let keys: MerkleKeys;
let small: CircuitArtifacts;
let deep: CircuitArtifacts;
let custom: CircuitArtifacts;
let prover: Prover;

before(async () => {
  keys = await makeMerkleKeys(2, 10);
  small = keys.circuits.get(2) as CircuitArtifacts;
  deep = keys.circuits.get(10) as CircuitArtifacts;
  const { r1cs, wasm } = await compileCircuit({ text: LOOPING });
  custom = await circuitFromFiles({ zkey: (await singlePartySetup(r1cs)).zkey, wasm, circuitId: 'looping' });
  prover = await createProver({ threads: 2 });
  await prover.warm(small);
});
after(async () => {
  await prover.close();
  await keys.remove();
  await closeSnarkjs();
});

const statement = { leaves: [5n, 6n, 7n], leafIndex: 1, depth: 2, externalHash: 9n };

describe('a Merkle proof', () => {
  it('verifies with snarkjs and with the reference, for sampled counts and indices', async () => {
    const hash = await oraclePoseidon();
    for (const [count, leafIndex] of [
      [1, 0],
      [2, 1],
      [63, 62],
      [64, 0],
      [65, 64],
      [513, 512],
      [1000, 0],
      [1000, 999],
    ] as const) {
      const leaves = someLeaves(count);
      const externalHash = random.bigintBelow(R);
      const { proof, publicSignals, backend, timings } = await prover.proveMerkle(deep, {
        leaves,
        leafIndex,
        depth: 10,
        externalHash,
      });
      const root = naiveLevels(hash, leaves, 10)[10]?.[0] as bigint;
      assert.deepEqual(publicSignals, [root.toString(), externalHash.toString()]);
      assert.equal(backend, 'wasm');
      assert.ok(timings.proveMs > 0 && timings.witnessMs > 0 && timings.verifyMs > 0 && timings.queueMs >= 0);
      assert.equal(await snarkjsVerify(deep.verificationKey, publicSignals, proof), true);
      assert.equal(verifyGroth16Reference(deep.verificationKey, proof, publicSignals), true);
      assert.equal(await snarkjsVerify(deep.verificationKey, [publicSignals[0] as string, '1'], proof), false);
      assert.equal(await prover.merkleRoot(leaves, 10), root);
    }
  });

  it('can be made for every index of a small tree, and is fresh each time', async () => {
    const seen = new Set<string>();
    for (const leafIndex of [0, 1, 2, 2]) {
      const { proof, publicSignals } = await prover.proveMerkle(small, { ...statement, leafIndex });
      assert.equal(await snarkjsVerify(small.verificationKey, publicSignals, proof), true);
      seen.add(proof.pi_a[0]);
    }
    assert.equal(seen.size, 4);
  });

  it('goes through its stages in order', async () => {
    const stages: ProveStage[] = [];
    await prover.proveMerkle(small, statement, { onStage: (stage) => stages.push(stage) });
    assert.deepEqual(stages, ['witness', 'prove', 'verify']);
  });

  it('is not made for zero, for padding, for a false root, for another depth', async () => {
    const refused = (change: object, code: Parameters<typeof isRefusal>[0], message: RegExp) =>
      assert.rejects(prover.proveMerkle(small, { ...statement, ...change }), isRefusal(code, message));
    await refused({ leaves: [5n, 0n, 7n] }, 'invalid_leaf', /leaves\[1\] is zero/);
    await refused({ leaves: [5n, R] }, 'invalid_leaf', /leaves\[1\]/);
    await refused({ leafIndex: 3 }, 'invalid_leaf_index', /0 to 2/);
    await refused({ leafIndex: -1 }, 'invalid_leaf_index', /-1/);
    await refused({ leaves: [1n, 2n, 3n, 4n, 5n] }, 'invalid_depth', /holds 4 leaves/);
    await refused({ depth: 3 }, 'invalid_depth', /merkle-2/);
    await refused({ externalHash: R }, 'invalid_external_hash', /below r/);
    await refused({ root: 1n }, 'wrong_path', /root/);
  });

  it('is not made for zero or padding by going round the API either', async () => {
    const hash = await oraclePoseidon();
    const tree = new SmallMerkleTree(hash, [5n, 6n, 7n], 2);
    const path = { root: tree.root, siblings: [7n, hash(5n, 6n)] };
    const zero = merkleInput({ leaf: 0n, leafIndex: 3, externalHash: 0n, path });
    await assert.rejects(prover.prove(small, zero), isRefusal('unsatisfied_constraint', /NonZero/));
    const other = merkleInput({ leaf: 8n, leafIndex: 1, externalHash: 0n, path: tree.path(1) });
    await assert.rejects(prover.prove(small, other), isRefusal('unsatisfied_constraint', /TopIsRoot/));
  });

  it('is not handed out when the witness program computes another statement than it was given', async () => {
    // The program of a circuit in which the leaf is a signal like another: it proves the right sibling instead.
    const source = `pragma circom 2.1.6; include "poseidon.circom";
template Liar() { signal input root; signal input externalHash; signal input leaf; signal input siblings[2];
  signal input pathBits[2]; signal product <== leaf * externalHash; signal bits <== pathBits[0] * pathBits[1];
  signal more <== siblings[0] * siblings[1]; signal r <== root * root; }
component main {public [externalHash, root]} = Liar();`;
    const { r1cs, wasm } = await compileCircuit({ text: source });
    const liar = await circuitFromFiles({ zkey: (await singlePartySetup(r1cs)).zkey, wasm, circuitId: 'liar' });
    const swapped = { ...liar, circuitId: 'merkle-2' };
    // Public signals are ordered as declared, so this circuit's layout agrees; its constraints do not bind the root.
    const { publicSignals } = await prover.proveMerkle(swapped, statement);
    assert.equal(publicSignals[1], '9');
    const reordered = source.replace(
      'signal input root; signal input externalHash;',
      'signal input externalHash; signal input root;',
    );
    const other = await compileCircuit({ text: reordered });
    const key = await singlePartySetup(other.r1cs);
    const shuffled = await circuitFromFiles({ zkey: key.zkey, wasm: other.wasm, circuitId: 'shuffled' });
    await assert.rejects(
      prover.proveMerkle({ ...shuffled, circuitId: 'merkle-2' }, statement),
      isRefusal('internal', /computed another statement/),
    );
  });
});

describe('the witness of a Merkle proof', () => {
  /** Not a witness program: whoever needs it, fails. */
  const NO_PROGRAM = Uint8Array.of(0, 97, 115, 109);
  const hash = oraclePoseidon();
  const inputFor = async (change: Partial<MerkleWitnessParts> = {}): Promise<CircuitInput> => {
    const tree = new SmallMerkleTree(await hash, [5n, 6n, 7n], 2);
    return merkleInput({ leaf: 6n, leafIndex: 1, externalHash: 9n, path: tree.path(1), ...change });
  };

  it("is filled by our own hasher, without circom's program, one thread a proof and all on one", async () => {
    const bare = { ...small, digest: 'no program', wasm: NO_PROGRAM };
    await prover.warm(bare);
    for (const mode of ['throughput', 'latency'] as const) {
      const made = [
        await prover.proveMerkle(bare, statement, { mode }),
        await prover.prove(bare, await inputFor(), { mode }),
      ];
      for (const { proof, publicSignals } of made) {
        assert.deepEqual(publicSignals, made[0]?.publicSignals);
        assert.equal(await snarkjsVerify(small.verificationKey, publicSignals, proof), true);
      }
    }
    // What it does not fill is for the program.
    const zero = await inputFor({ leaf: 0n });
    await assert.rejects(prover.prove(bare, zero), isRefusal('circuit_wasm_invalid'));
  });

  it("is that of circom's program for circuits without a wire map, and for the snarkjs backend", async () => {
    const { merkleWires, ...earlier } = small;
    assert.ok(merkleWires);
    const { publicSignals } = await prover.proveMerkle(earlier, statement);
    assert.equal(publicSignals[1], '9');
    const bare = { ...earlier, digest: 'neither', wasm: NO_PROGRAM };
    await assert.rejects(prover.proveMerkle(bare, statement), isRefusal('circuit_wasm_invalid'));
    await using reference = await createProver({ backend: 'snarkjs', threads: 1 });
    assert.deepEqual((await reference.proveMerkle(small, statement)).publicSignals, publicSignals);
    await assert.rejects(
      reference.proveMerkle({ ...small, digest: 'no program', wasm: NO_PROGRAM }, statement),
      isRefusal('circuit_wasm_invalid'),
    );
  });

  it('is refused in the same words with a wire map and without one', async () => {
    const { merkleWires: _, ...earlier } = small;
    const good = await inputFor();
    const siblings = good.siblings as readonly string[];
    const inputs: Record<string, CircuitInput> = {
      'a leaf of zero': { ...good, leaf: '0' },
      'a bit that is none': { ...good, pathBits: ['2', '0'] },
      'another root': { ...good, root: '1' },
      'another leaf': { ...good, leaf: '8' },
      'a leaf of r': { ...good, leaf: R.toString() },
      'a sibling too few': { ...good, siblings: siblings.slice(1) },
      'a sibling too many': { ...good, siblings: [...siblings, '1'] },
      'a signal too many': { ...good, more: '1' },
      'no input': {},
    };
    for (const [what, input] of Object.entries(inputs)) {
      const refusal = async (circuit: CircuitArtifacts): Promise<object> =>
        await prover.prove(circuit, input).then(
          () => assert.fail(`${what} was proved`),
          ({ code, message, field }) => ({ code, message, field }),
        );
      assert.deepEqual(await refusal(small), await refusal(earlier), what);
    }
    // Odd spellings are taken in both ways.
    const nested = { ...good, root: [good.root as string], siblings: [[siblings[0] as string], siblings[1] as string] };
    for (const circuit of [small, earlier]) {
      assert.equal((await prover.prove(circuit, nested)).publicSignals[1], '9');
    }
  });

  it('is not let out as a proof when the map is wrong', async () => {
    const { merkleWires } = small;
    assert.ok(merkleWires);
    const sources = Uint32Array.from(merkleWires.sources);
    [sources[100], sources[101]] = [sources[101] as number, sources[100] as number];
    const wrong = { ...small, digest: 'wrong map', merkleWires: { ...merkleWires, sources } };
    await assert.rejects(prover.proveMerkle(wrong, statement), isRefusal('self_check_failed'));
  });
});

describe('a proof of any circuit', () => {
  it('is made from zkey and witness program, and verified', async () => {
    const { proof, publicSignals } = await prover.prove(custom, { a: '6', b: '0x7' });
    assert.deepEqual(publicSignals, ['42']);
    assert.equal(await snarkjsVerify(custom.verificationKey, publicSignals, proof), true);
  });

  it('is refused for inputs that are missing or out of range', async () => {
    await assert.rejects(prover.prove(custom, { a: '6' }), isRefusal('invalid_input', /missing/));
    await assert.rejects(prover.prove(custom, { a: '6', b: R.toString() }), isRefusal('invalid_input', /^b is not/));
  });

  it('ends at its time limit when the witness program never does, and within a second when it is aborted', async () => {
    const forever = { a: '7', b: '1' };
    await assert.rejects(prover.prove(custom, forever, { timeoutMs: 300 }), isRefusal('prover_timeout', /300 ms/));
    const stop = new AbortController();
    const spinning = prover.prove(custom, forever, { signal: stop.signal });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const abortedAt = performance.now();
    stop.abort();
    await assert.rejects(spinning, isRefusal('prover_aborted'));
    assert.ok(performance.now() - abortedAt < 1000);
    await assert.rejects(prover.prove(custom, forever, { signal: stop.signal }), isRefusal('prover_aborted'));
    assert.deepEqual((await prover.prove(custom, { a: '1', b: '2' })).publicSignals, ['2']);
  });

  it('is thrown away when it does not verify, as with a key of another circuit of the same size', async () => {
    const wrongKey = {
      ...custom,
      digest: 'mixed',
      verificationKey: { ...custom.verificationKey, vk_alpha_1: small.verificationKey.vk_alpha_1 },
    };
    await assert.rejects(prover.prove(wrongKey, { a: '1', b: '2' }), isRefusal('self_check_failed', /thrown away/));
  });

  it('is refused when zkey and witness program are of two circuits, also past the check at loading', async () => {
    await assert.rejects(
      circuitFromFiles({ zkey: small.zkey, wasm: custom.wasm }),
      isRefusal('circuit_wasm_invalid', /another circuit/),
    );
    const mixed = { ...custom, digest: 'two circuits', zkey: small.zkey };
    await assert.rejects(prover.prove(mixed, { a: '1', b: '2' }), isRefusal('wtns_invalid', /two circuits/));
  });
});

describe('files of somebody else', () => {
  it('are refused with their code when they are truncated, empty, swapped or altered', async () => {
    const { zkey, wasm } = small;
    const refused = (files: { zkey?: Uint8Array; wasm?: Uint8Array }, code: Parameters<typeof isRefusal>[0]) =>
      assert.rejects(circuitFromFiles({ zkey, wasm, ...files }), isRefusal(code));
    await refused({ zkey: zkey.subarray(0, zkey.length - 1) }, 'zkey_invalid');
    await refused({ zkey: new Uint8Array() }, 'zkey_invalid');
    await refused({ zkey: wasm }, 'zkey_invalid');
    await refused({ wasm: wasm.subarray(0, wasm.length >> 1) }, 'circuit_wasm_invalid');
    await refused({ wasm: zkey }, 'circuit_wasm_invalid');
    await assert.rejects(circuitFromFiles({ zkey, wasm, circuitId: '../etc' }), isRefusal('invalid_request'));
    const altered = Uint8Array.from(zkey);
    altered[zkey.length - 2000] = (altered[zkey.length - 2000] as number) ^ 1;
    await assert.rejects(circuitFromFiles({ zkey: altered, wasm }), (error: { code: string }) =>
      ['zkey_invalid', 'key_refused'].includes(error.code),
    );
  });
});

describe('verifying', () => {
  let proof: Groth16Proof;
  let signals: readonly string[];
  before(async () => {
    ({ proof, publicSignals: signals } = await prover.proveMerkle(small, statement));
  });

  it('says no to another signal, another key, another valid point', async () => {
    const key = small.verificationKey;
    assert.equal(await prover.verify(key, proof, signals), true);
    assert.equal(await prover.verify(key, proof, [signals[0] as string, '8']), false);
    assert.equal(await prover.verify(key, proof, ['1', '9']), false);
    assert.equal(await prover.verify(deep.verificationKey, proof, signals), false);
    assert.equal(await prover.verify(key, { ...proof, pi_a: proof.pi_c }, signals), false);
    assert.equal(await prover.verify(key, { ...proof, pi_b: key.vk_gamma_2 }, signals), false);
  });

  it('refuses what is malformed, with the code of the part, also where snarkjs would take it', async () => {
    const key = small.verificationKey;
    const q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
    const refused = (
      parts: { key?: object; proof?: object; signals?: unknown },
      code: Parameters<typeof isRefusal>[0],
    ) =>
      assert.rejects(
        prover.verify(
          { ...key, ...parts.key } as typeof key,
          { ...proof, ...parts.proof } as Groth16Proof,
          (parts.signals ?? signals) as string[],
        ),
        isRefusal(code),
      );
    await refused({ proof: { pi_a: [(BigInt(proof.pi_a[0]) + q).toString(), proof.pi_a[1], '1'] } }, 'proof_malformed');
    await refused({ proof: { pi_a: ['1', '1', '1'] } }, 'proof_malformed');
    await refused({ proof: { protocol: 'plonk' } }, 'proof_malformed');
    await refused({ proof: { pi_b: undefined } }, 'proof_malformed');
    await refused({ signals: [signals[0]] }, 'public_signals_malformed');
    await refused({ signals: [(BigInt(signals[0] as string) + R).toString(), signals[1]] }, 'public_signals_malformed');
    await refused({ signals: 'x' }, 'public_signals_malformed');
    await refused({ key: { IC: key.IC.slice(1) } }, 'vkey_invalid');
    await refused({ key: { nPublic: 1 } }, 'vkey_invalid');
  });
});

describe('a prover', () => {
  const heldWhileProving = async (backend: 'wasm' | 'snarkjs'): Promise<void> => {
    await using one = await createProver({ backend, threads: 1 });
    let worstMs = 0;
    let latestMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      worstMs = Math.max(worstMs, nowMs - latestMs);
      latestMs = nowMs;
    }, 5);
    const leaves = someLeaves(1000);
    await one.proveMerkle(deep, { leaves, leafIndex: 999, depth: 10, externalHash: 0n });
    clearInterval(timer);
    assert.ok(worstMs < 150, `the main thread was held for ${worstMs} ms`);
  };
  it('leaves the main thread free while it proves', () => heldWhileProving('snarkjs'));
  it('leaves it free on our kernels, too', () => heldWhileProving('wasm'));

  it('refuses backends that this build does not have, naming the remedy, and settings out of range', async () => {
    await assert.rejects(createProver({ backend: 'webgpu' }), isRefusal('backend_unavailable', /use wasm or auto/));
    await assert.rejects(createProver({ backend: 'gpu' as 'wasm' }), isRefusal('backend_unavailable'));
    for (const threads of [-1, 65, 1.5]) await assert.rejects(createProver({ threads }), isRefusal('config_invalid'));
    await assert.rejects(createProver({ queueMax: -1 }), isRefusal('config_invalid'));
    assert.deepEqual(
      (await describeBackends()).filter(({ available }) => available).map(({ name }) => name),
      ['wasm', 'snarkjs'],
    );
  });

  it('refuses work beyond its queue, and everything once it is closed', async () => {
    const one = await createProver({ threads: 1, queueMax: 1 });
    const first = one.merkleRoot([1n], 2);
    const second = one.merkleRoot([2n], 2);
    await assert.rejects(one.merkleRoot([3n], 2), isRefusal('overloaded'));
    await Promise.all([first, second]);
    const running = assert.rejects(one.prove(custom, { a: '7', b: '1' }), isRefusal('shutting_down'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await one.close();
    await one.close();
    await running;
    await assert.rejects(one.merkleRoot([1n], 2), isRefusal('shutting_down'));
  });

  it('finishes what it has accepted, however short its queue: preparing a key takes more tasks than one', async () => {
    for (const threads of [0, 1]) {
      const short = await createProver({ threads, queueMax: 0 });
      try {
        const { proof, publicSignals } = await short.proveMerkle(small, statement);
        assert.ok(await short.verify(small.verificationKey, proof, publicSignals));
      } finally {
        await short.close();
      }
    }
  });

  it('proves with whatever room its tables may have, down to none but the points', async () => {
    for (const tableBytesMax of [1, 400_000]) {
      await using tight = await createProver({ threads: 2, tableBytesMax });
      for (const mode of ['latency', 'throughput'] as const) {
        const { proof, publicSignals } = await tight.proveMerkle(small, statement, { mode });
        assert.ok(await snarkjsVerify(small.verificationKey, publicSignals, proof));
      }
    }
  });

  for (const { threads, mode } of [
    { threads: 0, mode: 'auto' },
    { threads: 1, mode: 'auto' },
    { threads: 2, mode: 'throughput' },
    { threads: 2, mode: 'latency' },
  ] as const) {
    it(`of our kernels proves, tells its stages, can be aborted and is disposed of: ${threads} threads, ${mode}`, async () => {
      const one = await createProver({ backend: 'wasm', threads, mode });
      {
        await using used = one;
        assert.deepEqual([used.backend, used.threads], ['wasm', threads]);
        const stages: ProveStage[] = [];
        const onStage = (stage: ProveStage): void => void stages.push(stage);
        const { proof, publicSignals } = await used.proveMerkle(small, statement, { onStage });
        assert.deepEqual(stages, ['witness', 'prove', 'verify']);
        assert.equal(await snarkjsVerify(small.verificationKey, publicSignals, proof), true);

        const never = AbortSignal.abort();
        await assert.rejects(used.proveMerkle(small, statement, { signal: never }), isRefusal('prover_aborted'));
        for (const at of ['witness', 'prove'] as const) {
          const stop = new AbortController();
          const abortThen = (stage: ProveStage): void => {
            if (stage === at) stop.abort();
          };
          await assert.rejects(
            used.proveMerkle(small, statement, { signal: stop.signal, onStage: abortThen }),
            isRefusal('prover_aborted'),
            at,
          );
        }
        assert.ok((await used.proveMerkle(small, statement)).proof, 'and goes on');
      }
      await assert.rejects(one.proveMerkle(small, statement), isRefusal('shutting_down'));
      await one.close();
    });
  }

  it('gives paths', async () => {
    const { root, siblings } = await prover.merklePath([5n, 6n, 7n], 2, 2);
    const hash = await oraclePoseidon();
    assert.deepEqual(siblings, [0n, hash(5n, 6n)]);
    assert.equal(root, hash(hash(5n, 6n), hash(7n, 0n)));
  });
});

describe('a process', () => {
  const script = (name: string, ...args: string[]) =>
    new Promise<{ code: number | null; out: string; afterMs: number }>((resolve, reject) => {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', fileURLToPath(new URL(`./scripts/${name}.ts`, import.meta.url)), ...args],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let out = '';
      let lastMs = 0;
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        lastMs = performance.now();
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        resolve({ code, out, afterMs: performance.now() - lastMs });
      });
    });

  it('that has proved and verified exits by itself, with the prover closed or not', async () => {
    for (const closing of ['close', 'leave']) {
      const { code, out, afterMs } = await script('prove-and-end', keys.dir, closing);
      assert.equal(code, 0);
      assert.match(out, /^true\n$/);
      assert.ok(afterMs < 2000, `${closing}: it lingered for ${afterMs} ms`);
    }
  });

  it('that only imports the prover has loaded no GPL package', async () => {
    const { code, out } = await script('loaded-packages');
    assert.equal(code, 0);
    const loaded = JSON.parse(out) as string[];
    assert.ok(loaded.includes('piscina'), out);
    for (const name of ['snarkjs', 'circomlibjs', 'circomlib', 'circom2', 'ffjavascript', 'wasmcurves', 'web-worker']) {
      assert.ok(!loaded.includes(name), name);
    }
  });
});
