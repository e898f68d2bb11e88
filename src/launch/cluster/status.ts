/** How the processes of a cluster stand, as each says itself over HTTP. */
import { ZkraftError } from '../../common/index.ts';
import { type RecordedProcess, readRecord } from './record.ts';

export interface ProcessStatus {
  readonly name: string;
  readonly kind: RecordedProcess['kind'];
  readonly url: string;
  /** `away`: it does not answer. */
  readonly health: 'ok' | 'unhealthy' | 'away';
  /** What it does, in a few words. */
  readonly doing: string;
  readonly problems: readonly string[];
  readonly logFile: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
}

export interface ClusterStatus {
  readonly gatewayUrl: string;
  /** The coordinator that leads, as they say. */
  readonly leader: string | undefined;
  readonly processes: readonly ProcessStatus[];
}

const ANSWER_MS = 3_000;

/** The state that each coordinator says it is in, `Waiting` before it is a member; undefined for one that does not answer. */
export async function raftStates(urls: readonly string[]): Promise<(string | undefined)[]> {
  const asked = urls.map(async (url) => {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { raft } = (await answer.json()) as { raft?: { state?: string; leader_address?: string } };
    // One that waits to be added calls itself a follower, too, and follows nobody.
    return raft?.state === 'Follower' && raft.leader_address === '' ? 'Waiting' : raft?.state;
  });
  return await Promise.all(asked.map((answer) => answer.catch(() => undefined)));
}

/** Throws `cluster_not_running`. */
export async function clusterStatus(dir: string): Promise<ClusterStatus> {
  const record = readRecord(dir);
  if (record === undefined) {
    throw new ZkraftError('cluster_not_running', `no cluster runs from ${dir}; start one: zkraft cluster up`, {
      field: 'dir',
    });
  }
  const asked = await Promise.all(record.processes.map(ask));
  const leader = asked.find(({ leads }) => leads)?.status.name;
  return { gatewayUrl: record.gatewayUrl, leader, processes: asked.map(({ status }) => status) };
}

type Fields = Readonly<Record<string, unknown>>;

async function ask(process: RecordedProcess): Promise<{ readonly status: ProcessStatus; readonly leads: boolean }> {
  const { name, kind, url, logFile, pid } = process;
  const known = { name, kind, url, logFile, pid };
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const body = (await answer.json()) as Fields;
    const problems = Array.isArray(body.problems)
      ? body.problems.map((problem: Fields) => String(problem.message ?? problem.code ?? problem))
      : [];
    const health = answer.ok ? 'ok' : 'unhealthy';
    const raft = (body.raft ?? {}) as Fields;
    return { status: { ...known, health, doing: doingOf(kind, body), problems }, leads: raft.is_leader === true };
  } catch {
    return { status: { ...known, health: 'away', doing: '', problems: [] }, leads: false };
  }
}

function doingOf(kind: RecordedProcess['kind'], body: Fields): string {
  if (kind === 'coordinator') {
    const raft = (body.raft ?? {}) as Fields;
    const workers = (body.workers ?? {}) as Fields;
    const capacity = (body.capacity ?? {}) as Fields;
    const leases = raft.is_leader === true ? `, ${capacity.used} of ${capacity.total} slots in use` : '';
    return `${raft.state}, term ${raft.term}, applied ${raft.applied_index}, ${workers.total} workers${leases}`;
  }
  if (kind === 'worker') return `proves ${body.running} of ${body.slots}, for ${body.coordinator ?? 'nobody'}`;
  return '';
}
