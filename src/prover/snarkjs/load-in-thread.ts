/**
 * Imports snarkjs or circomlibjs inside a thread without letting them take the thread over.
 *
 * Both load ffjavascript, and that loads `web-worker`, which asks whether it runs on the main thread; if not, it takes
 * the thread for one that it started itself: it reads a `workerData` that is not there (or, if it is, makes the global
 * object a browser's), and listens on the thread's port for ever. It is never used here, since our curves are
 * single-threaded. So while the import lasts it is told that this is the main thread. It asks through `require`, whose
 * view of node:worker_threads is an object that can be changed; nobody who imports the module sees that.
 */
import { createRequire } from 'node:module';

export async function loadInThread<Module>(load: () => Promise<Module>): Promise<Module> {
  const threads = createRequire(import.meta.url)('node:worker_threads') as { isMainThread: boolean };
  const { isMainThread } = threads;
  threads.isMainThread = true;
  try {
    return await load();
  } finally {
    threads.isMainThread = isMainThread;
  }
}
