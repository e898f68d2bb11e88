/**
 * What we refuse and snarkjs 0.7.6 accepts: the list of src/prover/formats/README.md, by the names that it has there,
 * each with examples. All of them are true claims, spelled or accompanied in a way that we do not take.
 */
import type { ErrorCode } from '../../src/common/index.ts';
import { Fq, Fr, G2, g2ToJson } from '../../src/prover/reference/index.ts';
import { forge } from './forged-proofs.ts';
import { finite, pointG2 } from './mutated-proofs.ts';
import { SeededRandom } from './seeded-random.ts';
import { simulatedKey } from './simulated-proofs.ts';

export interface Example {
  readonly key: unknown;
  readonly proof: unknown;
  readonly publicSignals: unknown;
}

export interface StricterRefusal {
  /** Of the row in the README. */
  readonly name: string;
  readonly code: ErrorCode;
  readonly examples: readonly Example[];
}

/** Under keys of two public signals, made from this seed; the second signal is zero. */
export function stricterRefusals(seed: number): readonly StricterRefusal[] {
  const random = new SeededRandom(seed);
  const draw = () => random.bigintBelow(Fr.modulus - 1n) + 1n;
  const { key, prove } = simulatedKey(random, 2);
  const { proof, publicSignals } = prove(random, [draw(), 0n]);
  const [first] = publicSignals as [string];
  const [ax, ay] = proof.pi_a;
  const [bx, by, bz] = proof.pi_b;
  const [cx, cy] = proof.pi_c;
  const hex = (text: string): string => `0x${BigInt(text).toString(16)}`;
  const plusQ = (text: string): string => (BigInt(text) + Fq.modulus).toString();
  const without = (object: object, field: string): object =>
    Object.fromEntries(Object.entries(object).filter(([name]) => name !== field));

  const proofs = (...changes: readonly object[]): Example[] =>
    changes.map((change) => ({ key, proof: { ...proof, ...change }, publicSignals }));
  const signals = (...lists: readonly unknown[]): Example[] =>
    lists.map((list) => ({ key, proof, publicSignals: list }));
  const keys = (...changed: readonly object[]): Example[] => changed.map((one) => ({ key: one, proof, publicSignals }));
  const row = (name: string, code: ErrorCode, examples: readonly Example[]): StricterRefusal => ({
    name,
    code,
    examples,
  });

  const z = draw();
  const zz = Fq.mul(z, z);
  const jacobian = [Fq.mul(BigInt(ax), zz), Fq.mul(BigInt(ay), Fq.mul(zz, z)), z].map(String);
  // With B there snarkjs says no.
  const infinite = [{ key, ...prove(random, [1n, 0n], [0n, draw()]) }];
  const blank = simulatedKey(random, 2, [draw(), draw(), 0n]);
  const traps = ([1, -1] as const).map((sign): Example => {
    const delta = sign === 1 ? key.vk_gamma_2 : g2ToJson(finite(G2.neg(pointG2(key.vk_gamma_2))));
    const trap = { ...key, vk_delta_2: delta };
    return { key: trap, proof: forge(trap, publicSignals, sign), publicSignals };
  });

  return [
    row(
      'a coordinate plus q',
      'proof_malformed',
      proofs({ pi_a: [plusQ(ax), ay, '1'] }, { pi_b: [bx, [plusQ(by[0]), by[1]], bz] }, { pi_c: [cx, plusQ(cy), '1'] }),
    ),
    row('a coordinate in hexadecimal', 'proof_malformed', proofs({ pi_a: [hex(ax), ay, '1'] })),
    row('a coordinate with leading zeros', 'proof_malformed', proofs({ pi_c: [`0${cx}`, cy, '1'] })),
    row('a coordinate that is no string', 'proof_malformed', proofs({ pi_a: [BigInt(ax), ay, '1'] })),
    row('the same point with another z', 'proof_malformed', proofs({ pi_a: jacobian })),
    row(
      'a z of one that is spelled otherwise or left out',
      'proof_malformed',
      proofs({ pi_a: [ax, ay, 1] }, { pi_a: [ax, ay, '0x1'] }, { pi_a: [ax, ay] }, { pi_b: [bx, by] }),
    ),
    row(
      'more numbers than a point has',
      'proof_malformed',
      proofs({ pi_a: [ax, ay, '1', '7'] }, { pi_b: [[...bx, '7'], by, bz] }),
    ),
    row('A at infinity, where the equation holds', 'proof_malformed', infinite),
    row('a proof of another protocol, or of none', 'proof_malformed', [
      ...proofs({ protocol: 'plonk' }),
      { key, proof: without(proof, 'protocol'), publicSignals },
    ]),
    row('a proof of another curve, or of none', 'proof_malformed', [
      ...proofs({ curve: 'bls12381' }),
      { key, proof: without(proof, 'curve'), publicSignals },
    ]),
    row('a field that a proof does not have', 'proof_malformed', proofs({ extra: '1' })),
    row('zeros left out at the end of the signals', 'public_signals_malformed', signals([first])),
    row(
      'a signal in hexadecimal or with leading zeros',
      'public_signals_malformed',
      signals([hex(first), '0'], [`0${first}`, '0'], [first, '00']),
    ),
    row('a signal that is no string', 'public_signals_malformed', signals([first, 0], [BigInt(first), '0'])),
    row('signals that are no list', 'public_signals_malformed', signals({ 0: first, 1: '0', length: 2 })),
    row('a key of another protocol', 'vkey_invalid', keys({ ...key, protocol: 'plonk' }, without(key, 'protocol'))),
    row('a key whose curve has another of its names', 'vkey_invalid', keys({ ...key, curve: 'bn254' })),
    row(
      'a key whose nPublic is wrong or missing',
      'vkey_invalid',
      keys({ ...key, nPublic: 1 }, without(key, 'nPublic')),
    ),
    row('a key with more points than signals', 'vkey_invalid', keys({ ...key, IC: [...key.IC, key.IC[0]] })),
    row('a field that a key does not have', 'vkey_invalid', keys({ ...key, extra: '1' })),
    row(
      'numbers of a key in other spellings',
      'vkey_invalid',
      keys(
        { ...key, vk_alpha_1: [plusQ(key.vk_alpha_1[0]), key.vk_alpha_1[1], '1'] },
        { ...key, vk_alpha_1: [hex(key.vk_alpha_1[0]), key.vk_alpha_1[1], '1'] },
      ),
    ),
    row('a key with a point at infinity', 'vkey_invalid', [{ key: blank.key, ...blank.prove(random, [draw(), 0n]) }]),
    row('a key with delta = gamma or its opposite', 'key_refused', traps),
  ];
}
