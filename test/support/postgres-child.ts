/**
 * A process that runs a private PostgreSQL until it is told to stop: for tests of what remains when it is killed.
 *
 * Arguments: the data folder, then optionally the native folder of the programs. Prints one JSON line, then waits for
 * its standard input to end.
 */
import { ZkraftError } from '../../src/common/index.ts';
import { startPrivatePostgres } from '../../src/store/index.ts';

const [, , dir = '', nativeDir] = process.argv;
try {
  const server = await startPrivatePostgres({ dir, durable: false, ...(nativeDir === undefined ? {} : { nativeDir }) });
  const { connectionString, pid, place, version } = server;
  console.log(JSON.stringify({ connectionString, pid, place, version, uid: process.getuid?.() }));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
  await server.stop();
} catch (error) {
  console.log(JSON.stringify(ZkraftError.from(error)));
  process.exitCode = 1;
}
