/**
 * Compiles circom 2 sources to r1cs, witness program and symbols, with the compiler's WebAssembly build (circom2).
 *
 * circom2 is GPL-3.0 and is loaded here alone, when a circuit is compiled, in a thread that ends with the job. It sees
 * the real file system (includes may stand anywhere) but writes only below a temporary directory that is removed. The
 * output depends on the sources alone: same circuit, same bytes.
 *
 * Surprising: the compiler writes diagnostics to descriptors 1 and 2 of the process, whatever the thread's streams
 * are; the file system handed to it catches these. It also answers every refusal with exit code 1, so that its text is
 * the only explanation.
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { invariant, ZkraftError } from '../../common/index.ts';
import { runInThread } from '../pool/index.ts';

export interface CircomSource {
  /** A .circom file with a `main` component; or `text`, which is compiled as if it were such a file. */
  readonly file?: string;
  readonly text?: string;
  /** More directories to look for includes in. circomlib's circuits are always found. */
  readonly includePaths?: readonly string[];
  /** As circom's --O0, --O1, --O2. Default 2: fewer constraints, slower to compile. */
  readonly simplification?: 0 | 1 | 2;
}

export interface CompiledCircuit {
  readonly r1cs: Uint8Array;
  readonly wasm: Uint8Array;
  /** Lines of `signal,wire,component,name`; wire -1 is a signal that was simplified away. */
  readonly symbols: string;
}

export interface CompileOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** Enough for circuits of some hundred thousand constraints on a slow machine. */
const COMPILE_TIMEOUT_MS = 600_000;
/** A compiler that repeats itself need not fill a log. */
const DIAGNOSTIC_CHARS_MAX = 4_000;

/** Rejects with `compile_failed` and the compiler's own words, `file_not_found`, `cancelled`, `prover_timeout`. */
export async function compileCircuit(source: CircomSource, options: CompileOptions = {}): Promise<CompiledCircuit> {
  if ((source.file === undefined) === (source.text === undefined)) {
    throw new ZkraftError('invalid_request', 'give either a circom file or its text', { field: 'source' });
  }
  if (source.file !== undefined && !fs.existsSync(source.file)) {
    throw new ZkraftError('file_not_found', `${source.file} does not exist`, { field: 'source' });
  }
  return await runInThread(
    { moduleUrl: import.meta.url, exportName: 'compileHere', args: source },
    (result) => result as CompiledCircuit,
    { signal: options.signal, timeoutMs: options.timeoutMs ?? COMPILE_TIMEOUT_MS },
  );
}

/** The job that `compileCircuit` runs in a thread. Synchronous for as long as the compiler works. */
export async function compileHere(source: CircomSource): Promise<CompiledCircuit> {
  const require = createRequire(import.meta.url);
  const workDir = fs.mkdtempSync(join(tmpdir(), 'zkraft-circom-'));
  try {
    const input = source.file === undefined ? join(workDir, 'main.circom') : resolve(source.file);
    if (source.text !== undefined) fs.writeFileSync(input, source.text);
    const outDir = join(workDir, 'out');
    fs.mkdirSync(outDir);
    const includes = [...(source.includePaths ?? []), circomlibDir(require)];
    const args = [
      input,
      '--r1cs',
      '--wasm',
      '--sym',
      `--O${source.simplification ?? 2}`,
      ...includes.flatMap((path) => ['-l', resolve(path)]),
      '-o',
      outDir,
    ];
    const said = await runCompiler(args, fs.readFileSync(require.resolve('circom2/circom.wasm')));
    const name = input.replace(/^.*[\\/]/, '').replace(/\.[^.]*$/, '');
    const wasmFile = join(outDir, `${name}_js`, `${name}.wasm`);
    if (!fs.existsSync(wasmFile)) throw new ZkraftError('compile_failed', said || 'the compiler wrote no output');
    return {
      r1cs: readWhole(join(outDir, `${name}.r1cs`)),
      wasm: readWhole(wasmFile),
      symbols: fs.readFileSync(join(outDir, `${name}.sym`), 'utf8'),
    };
  } finally {
    fs.rmSync(workDir, { recursive: true, force: true });
  }
}

function circomlibDir(require: NodeJS.Require): string {
  return join(dirname(require.resolve('circomlib/package.json')), 'circuits');
}

/** A copy with a buffer of its own, which can be moved out of the thread. */
function readWhole(file: string): Uint8Array {
  return Uint8Array.from(fs.readFileSync(file));
}

/** Runs the compiler; returns what it said. Throws `compile_failed` with that when it refuses. */
async function runCompiler(args: readonly string[], compiler: Uint8Array): Promise<string> {
  const { CircomRunner, bindings } = (await import('circom2')).default;
  const said: Buffer[] = [];
  const writeSync = (
    fd: number,
    bytes: Uint8Array,
    offset = 0,
    length = bytes.length,
    position: number | null = null,
  ) => {
    if (fd !== 1 && fd !== 2) return fs.writeSync(fd, bytes, offset, length, position);
    said.push(Buffer.from(bytes.subarray(offset, offset + length)));
    return length;
  };
  const runner = new CircomRunner({
    args,
    env: {},
    preopens: { '/': '/' },
    bindings: { ...bindings, isTTY: () => false, fs: { ...fs, writeSync } },
  });
  try {
    await runner.execute(compiler);
  } catch (error) {
    const text = diagnostic(said);
    invariant(error instanceof Error, 'the compiler throws errors');
    throw new ZkraftError('compile_failed', text || `the circom compiler stopped: ${error.message}`, { cause: error });
  }
  return diagnostic(said);
}

function diagnostic(said: readonly Buffer[]): string {
  const text = stripVTControlCharacters(Buffer.concat(said).toString('utf8')).trim();
  return text.length > DIAGNOSTIC_CHARS_MAX ? `${text.slice(0, DIAGNOSTIC_CHARS_MAX)}...` : text;
}
