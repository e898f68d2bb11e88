/**
 * Prepares a circuit's key in threads that have started, and says what that took, as JSON:
 * prepare-key.ts ARTIFACTS_DIR CIRCUIT_ID TABLES_DIR THREADS. Ends when the tables are on disk.
 */
import { readdir } from 'node:fs/promises';
import { createProver, loadCircuit, openDirectoryArtifacts } from '../../../src/prover/index.ts';

export interface Preparation {
  readonly startMs: number;
  readonly warmMs: number;
  /** Of all threads. */
  readonly warmCpuMs: number;
  /** By which the process grew. */
  readonly rssBytes: number;
}

const [artifactsDir = '', circuitId = '', tableCacheDir = '', threads = ''] = process.argv.slice(2);
const circuit = await loadCircuit(await openDirectoryArtifacts(artifactsDir), circuitId);
const beganAtMs = performance.now();
const prover = await createProver({ backend: 'wasm', threads: Number(threads), tableCacheDir });
await Promise.all(Array.from({ length: prover.threads }, () => prover.merkleRoot([1n], 2)));
const [startedAtMs, cpuBefore, rssBefore] = [performance.now(), process.cpuUsage(), process.memoryUsage.rss()];
await prover.warm(circuit);
const warmMs = performance.now() - startedAtMs;
const cpu = process.cpuUsage(cpuBefore);
const preparation: Preparation = {
  startMs: startedAtMs - beganAtMs,
  warmMs,
  warmCpuMs: (cpu.user + cpu.system) / 1000,
  rssBytes: process.memoryUsage.rss() - rssBefore,
};
const kept = async (): Promise<boolean> =>
  (await readdir(tableCacheDir).catch(() => [])).some((name) => name.endsWith('.tables'));
while (!(await kept())) await new Promise((resolve) => setTimeout(resolve, 20));
await prover.close();
process.stdout.write(JSON.stringify(preparation));
