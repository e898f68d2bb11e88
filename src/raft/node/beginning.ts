/**
 * Whether a node without a log may begin the cluster of the peers that it lists. Rule 7.
 *
 * It may once a majority of the list, itself included, has answered and none of them is in a cluster: if there is one
 * already, its majority shares a node with this one. So a node that lost its disk never begins a second cluster beside
 * the one that it was in, whatever its settings say and whoever is away.
 */
import type { Logger } from '../../common/index.ts';
import type { ListedPeer } from './formation.ts';
import type { PeerIdentity, Runtime } from './ports.ts';

export interface Beginning {
  readonly name: string;
  readonly others: readonly ListedPeer[];
  readonly identify: (raftAddress: string) => Promise<PeerIdentity>;
  /** There is a log now, or the node stops. */
  readonly isOver: () => boolean;
  readonly runtime: Pick<Runtime, 'after'>;
  /** Between two rounds of questions. */
  readonly retryMs: number;
  readonly logger: Logger;
}

/** Resolves when the answer is known: true, to begin; false, since it is over, or because the others have a cluster. */
export async function mayBegin(beginning: Beginning): Promise<boolean> {
  const { others, isOver, runtime, retryMs, logger, name } = beginning;
  const needed = Math.floor((others.length + 1) / 2) + 1;
  let said = '';
  const sayOnce = (line: string, fields: object): void => {
    if (line !== said) logger.info({ node: name, ...fields }, line);
    said = line;
  };
  while (!isOver()) {
    const found = await Promise.all(others.map((peer) => ask(beginning, peer)));
    const elsewhere = found.find((peer) => peer?.clusterId !== undefined)?.clusterId;
    const waiting = 1 + found.filter((peer) => peer !== undefined).length;
    if (isOver()) return false;
    if (elsewhere !== undefined) {
      sayOnce('this node was to begin a cluster, but its peers have one: it waits until their leader adds it', {
        cluster_id: elsewhere,
      });
    } else if (waiting >= needed) return true;
    else sayOnce('this node begins a cluster once a majority of its peers is there', { needed });
    await new Promise<void>((resolve) => {
      runtime.after(retryMs, resolve);
    });
  }
  return false;
}

/** Undefined when nobody answers there, or somebody else. */
async function ask({ identify }: Beginning, { name, raftAddress }: ListedPeer): Promise<PeerIdentity | undefined> {
  const found = await identify(raftAddress).catch(() => undefined);
  return found?.name === name ? found : undefined;
}
