import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sha256Hex, ZkraftError } from '../../src/common/index.ts';
import { compileCircuit } from '../../src/prover/circuits/index.ts';
import {
  parseR1cs,
  parseWtns,
  readContainer,
  type VerificationKey,
  visitTerms,
  type Witness,
  witnessValue,
  ZKEY_FORMAT,
} from '../../src/prover/formats/index.ts';
import {
  type CircuitArtifacts,
  createProver,
  type ProveResult,
  type Prover,
  singlePartySetup,
} from '../../src/prover/index.ts';
import { Fr, verifyGroth16Reference } from '../../src/prover/reference/index.ts';
import { encodeWtns, WitnessProgram } from '../../src/prover/witness/index.ts';
import { backendsUnderTest, loadBackend } from '../support/backends.ts';
import { SeededRandom } from '../support/seeded-random.ts';

/** Two public signals, some products, and an input (b) that is zero here, so that its points are not needed. */
const SOURCE = `pragma circom 2.1.6;
template Main() { signal input a; signal input b; signal input tag; signal output out; signal y[4];
  y[0] <== a * a; for (var i = 1; i < 4; i++) { y[i] <== (y[i-1] + i) * (a + 2 * tag); } out <== y[3] + tag + a * b; }
component main {public [tag]} = Main();`;
const INPUT = { a: '5', b: '0', tag: '77' };
const ATTEMPTS = 200;
const ATTEMPT_TIMEOUT_MS = 20_000;
/** A changed program may never end, which nobody can know; the thread's time limit is what ends it, and is told. */
const ENDLESS_TIMEOUT_MS = 3_000;

type Change = (bytes: Uint8Array) => Uint8Array;

/** What happened to one key or witness program. Whatever is not one of these is a bug. */
type Outcome = 'refused' | 'proved';

const random = new SeededRandom(2026);

const copyOf = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

/** Ways in which a file goes bad, each at a place drawn anew. */
const CHANGES: readonly (readonly [name: string, change: Change])[] = [
  [
    'a bit',
    (bytes) => {
      const copy = copyOf(bytes);
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
      return copy;
    },
  ],
  [
    'some bytes',
    (bytes) => {
      const copy = copyOf(bytes);
      copy.set(random.bytes(1 + random.below(40)).subarray(0, copy.length), random.below(copy.length - 40));
      return copy;
    },
  ],
  ['its end', (bytes) => bytes.subarray(0, random.below(bytes.length))],
  [
    'a run of zeros',
    (bytes) => {
      const at = random.below(bytes.length);
      return copyOf(bytes).fill(0, at, at + 64);
    },
  ],
  [
    'a run of ones',
    (bytes) => {
      const at = random.below(bytes.length);
      return copyOf(bytes).fill(0xff, at, at + 32);
    },
  ],
  [
    'a piece in another place',
    (bytes) => {
      const copy = copyOf(bytes);
      // Whole points, most of the time: they stay on their curve.
      const place = (): number => random.below(Math.floor(bytes.length / 4) - 16) * 4;
      copy.set(bytes.subarray(place()).subarray(0, 64), place());
      return copy;
    },
  ],
];

const BACKENDS = await backendsUnderTest();

describe('mutations', () => {
  let r1cs: Uint8Array;
  let wasm: Uint8Array;
  let zkey: Uint8Array;
  let untouched: VerificationKey;

  before(async () => {
    const compiled = await compileCircuit({ text: SOURCE });
    const key = await singlePartySetup(compiled.r1cs, { threads: 1 });
    ({ r1cs, wasm } = compiled);
    ({ zkey, verificationKey: untouched } = key);
  });

  const artifacts = (files: { zkey?: Uint8Array; wasm?: Uint8Array }): CircuitArtifacts => {
    const changed = { zkey: files.zkey ?? zkey, wasm: files.wasm ?? wasm };
    const digest = sha256Hex(changed.zkey, changed.wasm);
    return { digest, circuitId: 'custom', ...changed, verificationKey: untouched };
  };

  /** Whether the wires satisfy every constraint. */
  const satisfies = (witness: Witness): boolean => {
    const rows = new Map<number, [bigint, bigint, bigint]>();
    visitTerms(parseR1cs(r1cs), (matrix, row, wire, coefficient) => {
      const sums = rows.get(row) ?? [0n, 0n, 0n];
      sums[matrix] = Fr.add(sums[matrix] as bigint, Fr.mul(coefficient, witnessValue(witness, wire)));
      rows.set(row, sums);
    });
    return [...rows.values()].every(([a, b, c]) => Fr.mul(a, b) === c);
  };

  for (const backend of BACKENDS) {
    describe(`with backend ${backend}`, () => {
      let prover: Prover;
      before(async () => {
        prover = await createProver({ backend, threads: 1, circuitsMax: 2 });
      });
      after(() => prover.close());

      /** Proves without any check of the files beforehand, as if they had gone bad after it. */
      const attempt = async (circuit: CircuitArtifacts, what: string, mayTimeOut = false): Promise<Outcome> => {
        let result: ProveResult;
        try {
          const timeoutMs = mayTimeOut ? ENDLESS_TIMEOUT_MS : ATTEMPT_TIMEOUT_MS;
          result = await prover.prove(circuit, INPUT, { timeoutMs });
        } catch (thrown) {
          assert.ok(thrown instanceof ZkraftError, `${what}: ${thrown}`);
          // What a crash, a hang, or an error that nobody foresaw would be.
          const bugs = ['prover_crashed', 'internal', ...(mayTimeOut ? [] : ['prover_timeout'])];
          assert.ok(!bugs.includes(thrown.code), `${what}: ${thrown.stack}`);
          assert.ok(thrown.message.length > 10, what);
          return 'refused';
        }
        const { proof, publicSignals } = result;
        assert.ok(verifyGroth16Reference(untouched, proof, publicSignals), `${what}: a wrong proof came out`);
        return 'proved';
      };

      /** `ATTEMPTS` changes of a file, in turn of every kind. */
      const attempts = async (
        bytes: Uint8Array,
        change: (bytes: Uint8Array) => CircuitArtifacts,
        mayTimeOut = false,
      ): Promise<Record<Outcome, number>> => {
        const counts = { refused: 0, proved: 0 };
        for (let i = 0; i < ATTEMPTS; i++) {
          const [name, mutate] = CHANGES[i % CHANGES.length] as (typeof CHANGES)[number];
          counts[await attempt(change(mutate(bytes)), `attempt ${i}, ${name}`, mayTimeOut)]++;
        }
        return counts;
      };

      it('the files as they are give a proof', async () => {
        assert.equal(await attempt(artifacts({}), 'untouched'), 'proved');
      });

      it(`${ATTEMPTS} changed proving keys give clear errors, or proofs that verify under the untouched key`, async (t) => {
        const counts = await attempts(zkey, (changed) => artifacts({ zkey: changed }));
        t.diagnostic(`proving keys: ${counts.refused} refused, ${counts.proved} proved all the same`);
        assert.ok(counts.refused > ATTEMPTS / 2, `${counts.refused} refused`);
        assert.equal(await attempt(artifacts({}), 'untouched, afterwards'), 'proved');
      });

      it('a point whose scalar is zero may be any: the proof is what it was', async () => {
        const sections = readContainer(zkey, ZKEY_FORMAT);
        const points = sections.get(8) as Uint8Array;
        const outcomes: Outcome[] = [];
        for (let at = 0; at < points.length; at += 64) {
          const changed = copyOf(zkey);
          const from = points.byteOffset - zkey.byteOffset + at;
          // Another sound point.
          changed.set((sections.get(9) as Uint8Array).subarray(0, 64), from);
          outcomes.push(await attempt(artifacts({ zkey: changed }), `C[${at / 64}]`));
        }
        const proved = outcomes.filter((outcome) => outcome === 'proved').length;
        assert.ok(proved >= 1 && proved < outcomes.length, `${proved} of ${outcomes.length} proved`);
      });

      it(`${ATTEMPTS} changed witnesses are refused, or proved exactly when they satisfy the constraints`, async (t) => {
        const { prove, verify } = await loadBackend(backend);
        const wtns = encodeWtns(new WitnessProgram(wasm).run(INPUT));
        const honest = parseWtns(wtns);
        const key = { digest: sha256Hex(zkey), zkey };
        const counts = { refused: 0, 'not verified': 0, verified: 0 };
        const tryOne = async (bytes: Uint8Array, what: string): Promise<void> => {
          let witness: Witness;
          try {
            witness = parseWtns(bytes);
          } catch (thrown) {
            assert.ok(thrown instanceof ZkraftError && thrown.code === 'wtns_invalid', `${what}: ${thrown}`);
            counts.refused++;
            return;
          }
          const satisfied = satisfies(witness);
          const { proof, publicSignals } = await prove(key, witness).catch((thrown: unknown) => {
            // A witness of another size: nothing else may be refused after the parser took it.
            assert.ok(thrown instanceof ZkraftError && witness.wires !== honest.wires, `${what}: ${thrown}`);
            return { proof: undefined, publicSignals: [] };
          });
          if (proof === undefined) {
            counts.refused++;
            return;
          }
          const verified = await verify(untouched, proof, publicSignals);
          assert.equal(verified, satisfied, what);
          counts[verified ? 'verified' : 'not verified']++;
        };
        for (let i = 0; i < ATTEMPTS; i++) {
          const [name, mutate] = CHANGES[i % CHANGES.length] as (typeof CHANGES)[number];
          await tryOne(mutate(wtns), `witness ${i}, ${name}`);
        }
        // One wire at a time, all of them canonical: what no parser can refuse.
        for (let wire = 1; wire < honest.wires; wire++) {
          const changed = copyOf(wtns);
          const at = wtns.length - honest.values.length + wire * 32;
          changed[at] = (changed[at] ?? 0) ^ 1;
          await tryOne(changed, `wire ${wire}`);
        }
        t.diagnostic(
          `witnesses: ${Object.entries(counts)
            .map(([what, count]) => `${count} ${what}`)
            .join(', ')}`,
        );
        assert.ok(counts.refused > 20 && counts['not verified'] > 20 && counts.verified > 0);
      });

      it(`${ATTEMPTS} changed witness programs give clear errors, or proofs that verify`, async (t) => {
        const counts = await attempts(wasm, (changed) => artifacts({ wasm: changed }), true);
        t.diagnostic(`witness programs: ${counts.refused} refused, ${counts.proved} proved all the same`);
        assert.ok(counts.refused > 0 && counts.refused + counts.proved === ATTEMPTS);
        assert.equal(await attempt(artifacts({}), 'untouched, afterwards'), 'proved');
      });
    });
  }
});
