/** What we use of snarkjs and circomlibjs, which ship no types. */
declare module 'snarkjs' {
  export const groth16: {
    prove(zkey: Uint8Array, wtns: Uint8Array): Promise<{ proof: unknown; publicSignals: unknown }>;
    verify(verificationKey: unknown, publicSignals: readonly string[], proof: unknown): Promise<boolean>;
  };
  export const curves: {
    getCurveFromName(name: string, options: { singleThread: boolean }): Promise<object>;
  };
}

declare module 'circomlibjs' {
  interface Poseidon {
    (inputs: readonly bigint[]): Uint8Array;
    readonly F: { toObject(element: Uint8Array): bigint };
  }
  export function buildPoseidon(): Promise<Poseidon>;
}
