/**
 * The key by which coordinators tell this worker from others (see common/rpc/worker-key.ts), made once.
 *
 * It lies in the spool's folder, because what it must outlive with is the proofs: a worker that comes back under its id,
 * or takes over what another id left there, has the right to report them. Where it cannot be kept, each start has its
 * own, and a worker with a fixed id may have to wait until its former self is counted out.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../common/index.ts';
import { WORKER_KEY } from '../common/rpc/index.ts';

const FILE = 'key';

/** 64 hex digits; the same for the same folder. Never rejects. */
export async function openWorkerKey(dir: string | undefined, logger: Logger): Promise<string> {
  const fresh = randomBytes(32).toString('hex');
  if (dir === undefined) return fresh;
  try {
    return await keepFirst(dir, fresh);
  } catch (error) {
    logger.warn({ err: error }, 'the key of this worker could not be kept; it holds until the process ends');
    return fresh;
  }
}

/** Workers that start together over one folder come to one key: whoever links it first decides. */
async function keepFirst(dir: string, fresh: string): Promise<string> {
  const path = join(dir, FILE);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const aside = `${path}.${fresh.slice(0, 8)}.tmp`;
  await writeFile(aside, fresh, { mode: 0o600 });
  try {
    await link(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
  const kept = (await readFile(path, 'utf8')).trim();
  if (!WORKER_KEY.test(kept)) throw new Error(`${path} holds no key; remove it to have a new one made`);
  return kept;
}
