/**
 * A worker in a process of its own, with a fake prover: `worker-child.ts ID COORDINATOR SPOOL_DIR`.
 *
 * SIGTERM closes the worker and nothing else: the process is to end by itself, because nothing keeps it alive.
 */
import { startTestWorker } from './worker-fixtures.ts';

const [id = '', coordinator = '', spoolDir = ''] = process.argv.slice(2);
const worker = await startTestWorker({ id, coordinatorAddresses: [coordinator], spoolDir, httpPort: 0 });
process.once('SIGTERM', () => void worker.close());
