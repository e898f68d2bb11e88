/**
 * The page of verifier.browser.test.ts, and its worker: what somebody's page would do with `zkraft/verifier`. As a
 * module it is loaded from a plain static server, beside the built package.
 */
import { createVerifier } from '/dist/prover/verifier/index.js';

const ROUNDS = 5;
const ROUND_PROOFS = 40;

/** What the verifier says: true, false, or the code of the refusal. */
async function answer(ask) {
  try {
    return await ask();
  } catch (error) {
    return error.code ?? `no ZkraftError: ${error}`;
  }
}

/** Everything that is asked of one tier, as plain JSON. */
async function verifyAll({ options, key, good, mutated, beyond, batch }) {
  const beganMs = performance.now();
  const verifier = await createVerifier(options);
  const loadMs = performance.now() - beganMs;
  const verify = (claim) => answer(() => verifier.verify(key, claim.proof, claim.publicSignals));
  const firstBeganMs = performance.now();
  const answers = { good: await verify(good) };
  const firstMs = performance.now() - firstBeganMs;
  answers.mutated = await verify(mutated);
  answers.beyond = await verify(beyond);
  answers.trap = await answer(() =>
    verifier.verify({ ...key, vk_delta_2: key.vk_gamma_2 }, good.proof, good.publicSignals),
  );
  const bad = await verifier.verifyBatch(key, batch);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const roundBeganMs = performance.now();
    // The clock of a page moves in steps of 0.1 ms.
    for (let i = 0; i < ROUND_PROOFS; i++) await verifier.verify(key, good.proof, good.publicSignals);
    rounds.push((performance.now() - roundBeganMs) / ROUND_PROOFS);
  }
  const { tier, reasons } = verifier;
  verifier.close();
  answers.closed = await verify(good);
  return {
    tier,
    reasons,
    answers,
    bad: bad.map(({ index, error, confirmed }) => ({ index, code: error?.code ?? null, confirmed })),
    isIsolated: globalThis.crossOriginIsolated,
    loadMs,
    firstMs,
    verifyMs: rounds.sort((a, b) => a - b),
  };
}

if (globalThis.document === undefined) {
  globalThis.onmessage = ({ data }) =>
    verifyAll(data).then(
      (all) => globalThis.postMessage({ all }),
      (error) => globalThis.postMessage({ error: String(error) }),
    );
} else {
  globalThis.verifyAll = verifyAll;
  globalThis.verifyAllInWorker = (asked) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(import.meta.url, { type: 'module' });
      worker.onmessage = ({ data: { all, error } }) => {
        worker.terminate();
        if (all) resolve(all);
        else reject(new Error(error));
      };
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(asked);
    });
}
