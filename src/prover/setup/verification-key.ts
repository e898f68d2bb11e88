/** Whether a verification key is a trap, as far as it shows: what every verifier asks, in browsers too. */
import { ZkraftError } from '../../common/core.ts';
import type { VerificationKey } from '../formats/snarkjs-json.ts';

/** Refuses a verification key under which anybody can forge. Its points are taken as parsed (`parseVerificationKey`). */
export function checkVerificationKey(key: VerificationKey): void {
  const same = (a: readonly string[], b: readonly string[]): boolean => a.every((value, i) => value === b[i]);
  const [gammaX] = key.vk_gamma_2;
  const [deltaX] = key.vk_delta_2;
  // Equal abscissas: equal or opposite points.
  if (same(gammaX, deltaX)) {
    throw new ZkraftError(
      'key_refused',
      'delta equals gamma or its opposite: nobody has contributed to this key, and anybody can forge proofs for it. ' +
        'Contribute first: snarkjs zkey contribute',
      { field: 'delta' },
    );
  }
}
