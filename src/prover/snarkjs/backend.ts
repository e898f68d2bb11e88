/**
 * The reference backend: snarkjs's Groth16 and circomlibjs's Poseidon, with keys in memory and no threads of their own.
 *
 * Both packages are GPL-3.0 and are loaded when they are first needed. snarkjs means to start one thread a core for
 * each curve it builds, and never ends them, so that processes do not exit. It looks for a curve in
 * `globalThis.curve_bn128` first: here that is a single-threaded one, built once for this thread, which is what saves
 * the 100 ms of building one for each proof too. Loading any copy of ffjavascript (circomlibjs brings its own) resets
 * that variable, hence it is set before each call.
 */
import { ZkraftError } from '../../common/index.ts';
import type { ProverBackend, ProvingKey, UncheckedClaim } from '../backend.ts';
import {
  type Groth16Proof,
  isMalformedClaim,
  parseProof,
  parsePublicSignals,
  parseVerificationKey,
  type Witness,
} from '../formats/index.ts';
import { checkVerificationKey } from '../setup/verification-key.ts';
import type { BadProof } from '../types.ts';
import { encodeWtns } from '../witness/index.ts';
import { loadInThread } from './load-in-thread.ts';
import { poseidon2 } from './poseidon.ts';

type Snarkjs = typeof import('snarkjs');

let loading: Promise<{ snarkjs: Snarkjs; curve: object }> | undefined;

async function load(): Promise<{ snarkjs: Snarkjs; curve: object }> {
  const snarkjs = await loadInThread(() => import('snarkjs'));
  return { snarkjs, curve: await snarkjs.curves.getCurveFromName('bn128', { singleThread: true }) };
}

async function readySnarkjs(): Promise<Snarkjs> {
  loading ??= load();
  const { snarkjs, curve } = await loading;
  Object.assign(globalThis, { curve_bn128: curve });
  return snarkjs;
}

export const snarkjsBackend: ProverBackend = {
  name: 'snarkjs',

  async warm(): Promise<void> {
    await readySnarkjs();
    await poseidon2();
  },

  async prove(key: ProvingKey, witness: Witness): Promise<{ proof: Groth16Proof; publicSignals: readonly string[] }> {
    const snarkjs = await readySnarkjs();
    let made: { proof: unknown; publicSignals: unknown };
    try {
      made = await snarkjs.groth16.prove(key.zkey, encodeWtns(witness));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (/witness length/i.test(why)) {
        throw new ZkraftError('wtns_invalid', `the witness program and the zkey are of two circuits: ${why}`, {
          field: 'wasm',
          cause,
        });
      }
      throw new ZkraftError('zkey_invalid', `snarkjs cannot prove with this zkey: ${why}`, { field: 'zkey', cause });
    }
    const publicSignals = parsePublicSignals(made.publicSignals);
    return { proof: parseProof(made.proof), publicSignals };
  },

  async verify(verificationKey: unknown, proof: unknown, publicSignals: unknown): Promise<boolean> {
    const key = parseVerificationKey(verificationKey);
    checkVerificationKey(key);
    const signals = parsePublicSignals(publicSignals, key.nPublic);
    const parsed = parseProof(proof);
    const snarkjs = await readySnarkjs();
    return await snarkjs.groth16.verify(key, signals, parsed);
  },

  /** One by one: snarkjs knows no other way. */
  async verifyBatch(verificationKey: unknown, items: readonly UncheckedClaim[]): Promise<BadProof[]> {
    const key = parseVerificationKey(verificationKey);
    checkVerificationKey(key);
    const bad: BadProof[] = [];
    for (const [index, { proof, publicSignals }] of items.entries()) {
      try {
        if (!(await this.verify(key, proof, publicSignals))) bad.push({ index, confirmed: true });
      } catch (thrown) {
        const error = ZkraftError.from(thrown);
        if (!isMalformedClaim(error)) throw thrown;
        bad.push({ index, error, confirmed: true });
      }
    }
    return bad;
  },

  hash2: poseidon2,
};
