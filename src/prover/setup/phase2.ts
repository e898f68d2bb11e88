/**
 * A Groth16 key from a powers-of-tau ceremony, by snarkjs's phase 2 with one contribution of our own.
 *
 * snarkjs (GPL-3.0) is loaded here only, and runs in a process of its own: it keeps threads alive, cannot be aborted,
 * and does long sums on the main thread; a process can be ended, and gives its memory back. The contribution's secret
 * is drawn there from the system's generator and dies with it. The key is then verified by snarkjs against r1cs and
 * ptau, and by us in full. With one contribution it is still as good as its one contributor's word.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorJson, ZkraftError } from '../../common/index.ts';
import { parseR1cs, type VerificationKey } from '../formats/index.ts';
import { siblingModule, threadExecArgv } from '../pool/index.ts';
import { checkProvingKey } from './proving-key.ts';
import { checkPtau } from './ptau.ts';
import { domainSizeOf } from './qap.ts';
import type { SetupResult } from './single-party.ts';

export type Phase2Stage = 'key' | 'contribution' | 'verification';

export interface Phase2Options {
  /** Ends snarkjs's process at once; the promise rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (stage: Phase2Stage) => void;
  /** Of the contribution, as it stands in the key; at most 64 bytes. Default "zkraft". */
  readonly contributor?: string;
  /** Default: six hours. */
  readonly timeoutMs?: number;
}

/** A domain of 2^22 takes snarkjs an hour or two on two cores. */
const TIMEOUT_MS = 6 * 3_600_000;
const STDERR_CHARS_MAX = 2_000;

/** What the process is told, as its only argument: paths, and a name. */
export interface Phase2Order {
  readonly r1csPath: string;
  readonly ptauPath: string;
  /** An empty directory of ours; the key is left in it as `final.zkey`. */
  readonly directory: string;
  readonly contributor: string;
}

export type Phase2Message =
  | { readonly kind: 'stage'; readonly stage: Phase2Stage }
  | { readonly kind: 'done'; readonly verificationKey: VerificationKey }
  | { readonly kind: 'failed'; readonly error: ErrorJson };

const FINAL_ZKEY = 'final.zkey';

/**
 * Makes the key of a circuit from a prepared .ptau file.
 * `r1cs_invalid`, `ptau_invalid` (not one, too small, unprepared, or its points do not fit), `file_not_found`.
 */
export async function phase2Setup(
  r1cs: Uint8Array,
  ptauPath: string,
  options: Phase2Options = {},
): Promise<SetupResult> {
  await checkPtau(ptauPath, domainSizeOf(parseR1cs(r1cs)));
  const directory = await mkdtemp(join(tmpdir(), 'zkraft-phase2-'));
  try {
    const r1csPath = join(directory, 'circuit.r1cs');
    await writeFile(r1csPath, r1cs);
    const contributor = options.contributor ?? 'zkraft';
    const order = { r1csPath, ptauPath: resolve(ptauPath), directory, contributor };
    const verificationKey = await runInProcess(order, options);
    return { zkey: Uint8Array.from(await readFile(join(directory, FINAL_ZKEY))), verificationKey };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function runInProcess(order: Phase2Order, options: Phase2Options): Promise<VerificationKey> {
  const { signal, onProgress, timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolvePromise, reject) => {
    if (signal?.aborted) {
      reject(new ZkraftError('cancelled', 'the set-up was cancelled before it began'));
      return;
    }
    const file = siblingModule(import.meta.url, 'phase2-process');
    const child = fork(fileURLToPath(file), [JSON.stringify(order)], {
      execArgv: threadExecArgv(file),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    let answer: Phase2Message | undefined;
    let ended: ZkraftError | undefined;
    let said = '';
    const end = (error: ZkraftError): void => {
      ended ??= error;
      child.kill('SIGKILL');
    };
    const onAbort = (): void => end(new ZkraftError('cancelled', 'the set-up was cancelled; nothing was written'));
    const timer = setTimeout(
      () => end(new ZkraftError('prover_timeout', `phase 2 took longer than ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-STDERR_CHARS_MAX);
    });
    child.on('message', (message: Phase2Message) => {
      if (message.kind === 'stage') onProgress?.(message.stage);
      else answer = message;
    });
    child.on('error', (cause) => {
      ended ??= new ZkraftError('internal', `the process for phase 2 could not be started: ${cause.message}`, {
        cause,
      });
    });
    // 'close' comes after the last message and the last output, also when the process could not be started.
    child.on('close', (code) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (ended !== undefined) reject(ended);
      else if (answer?.kind === 'done') resolvePromise(answer.verificationKey);
      else if (answer?.kind === 'failed') reject(ZkraftError.fromJSON(answer.error));
      else reject(new ZkraftError('internal', `the process for phase 2 ended with code ${code}: ${said.trim()}`));
    });
  });
}

/** The part of snarkjs that is used here; it ships no types. */
interface Snarkjs {
  readonly zKey: {
    newZKey(r1cs: string, ptau: string, zkey: string, logger?: object): Promise<Uint8Array | -1>;
    contribute(from: string, to: string, name: string, entropy: string): Promise<Uint8Array>;
    verifyFromR1cs(r1cs: string, ptau: string, zkey: string): Promise<boolean>;
  };
}

/** The work, run in the process of its own: see phase2-process.ts. */
export async function runPhase2(order: Phase2Order, onStage: (stage: Phase2Stage) => void): Promise<VerificationKey> {
  const { zKey } = (await import('snarkjs')) as unknown as Snarkjs;
  const { r1csPath, ptauPath, directory, contributor } = order;
  const initial = join(directory, 'initial.zkey');
  const final = join(directory, FINAL_ZKEY);
  const refused = (why: string, cause?: unknown): ZkraftError =>
    new ZkraftError('ptau_invalid', `the .ptau file cannot be used: ${why}`, { field: 'ptau', cause });

  onStage('key');
  const made = await zKey.newZKey(r1csPath, ptauPath, initial).catch((thrown: unknown) => {
    throw refused(`snarkjs stopped with "${thrown instanceof Error ? thrown.message : thrown}"`, thrown);
  });
  if (made === -1) throw refused('snarkjs refused it for this circuit');

  onStage('contribution');
  await zKey.contribute(initial, final, contributor, randomBytes(64).toString('hex'));

  onStage('verification');
  if (!(await zKey.verifyFromR1cs(r1csPath, ptauPath, final))) {
    throw refused('the key made from it does not verify, so its points do not fit together');
  }
  try {
    return checkProvingKey(await readFile(final));
  } catch (thrown) {
    throw refused(`the key made from it is unsound: ${ZkraftError.from(thrown).message}`, thrown);
  }
}
