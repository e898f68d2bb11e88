/** How a whole cluster stands, asked of its processes again and again. */
import { ZkraftError } from '../../common/index.ts';
import { type Asked, askProcess, fields } from './ask.ts';
import type { ListedWorker, Round } from './frame.ts';
import type { TopTargets } from './targets.ts';

export { type Frame, frameOf, type ListedWorker, type Round } from './frame.ts';
export { parseMetrics } from './metrics-text.ts';
export { type GivenTargets, type TopTargets, topTargets } from './targets.ts';

/** Asks the admin service at an address; rejects with what it said. */
export type ListWorkers = (address: string) => Promise<readonly ListedWorker[]>;

const TLS_HINT = 'if it wants TLS, set WORKER_TLS_CA_FILE, WORKER_TLS_CERT_FILE and WORKER_TLS_KEY_FILE';

/** Asks everybody at once, then the leader for its workers. Never rejects, and takes some seconds at most. */
export async function askRound(targets: TopTargets, listWorkers: ListWorkers, signal: AbortSignal): Promise<Round> {
  const at = new Date();
  const ask = (urls: readonly string[]) => Promise.all(urls.map((url) => askProcess(url, targets.metricsPath, signal)));
  const [coordinators, gateways, workers] = await Promise.all([
    ask(targets.coordinators),
    ask(targets.gateways),
    ask(targets.workers),
  ]);
  const address = leaderAddress(coordinators);
  if (address === undefined || signal.aborted) {
    const listProblem = targets.coordinators.length === 0 ? 'no coordinator is named' : 'no coordinator knows a leader';
    return { at, coordinators, gateways, workers, listed: undefined, listProblem };
  }
  try {
    const listed = await listWorkers(address);
    return { at, coordinators, gateways, workers, listed, listProblem: undefined };
  } catch (error) {
    const { message, code } = ZkraftError.from(error);
    const hint = code === 'coordinator_unavailable' ? `; ${TLS_HINT}` : '';
    const listProblem = `${address}: ${message.split('\n')[0]} [${code}]${hint}`;
    return { at, coordinators, gateways, workers, listed: undefined, listProblem };
  }
}

/** In the words of the leader, else of any other. */
function leaderAddress(coordinators: readonly Asked[]): string | undefined {
  const raft = coordinators.filter(({ health }) => health !== 'away').map(({ body }) => fields(body.raft));
  const known =
    raft.find(({ is_leader }) => is_leader === true) ?? raft.find(({ leader_address }) => leader_address !== '');
  const address = known?.leader_address;
  return typeof address === 'string' && address !== '' ? address : undefined;
}
