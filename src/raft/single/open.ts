/** Opens the durable one-node log in a folder, which it makes if there is none. */
import { randomUUID } from 'node:crypto';
import { ZkraftError } from '../../common/index.ts';
import type { ReplicatedLog } from '../replicated-log.ts';
import { LevelStorage } from './level-storage.ts';
import { SingleNodeLog, type SingleNodeLogOptions } from './node.ts';

/**
 * Takes the folder for this process, checks what is in it, and changes nothing else until `start`.
 * Rejects with `already_running` when another process has it, `log_corrupt` on damage, `config_invalid` when it is
 * another node's.
 */
export async function openSingleNodeLog<Result>(options: SingleNodeLogOptions): Promise<ReplicatedLog<Result>> {
  const storage = new LevelStorage({
    dir: options.dir,
    logger: options.logger,
    mint: () => {
      if (options.bootstrap !== false) {
        return { clusterId: randomUUID(), nodeId: options.nodeId, incarnationId: randomUUID() };
      }
      throw new ZkraftError(
        'config_invalid',
        `${options.dir} holds no log, and coordinator.raft.bootstrap is false; set it to true to begin a new cluster, ` +
          'or name the directory of the existing one',
        { field: 'coordinator.raft.bootstrap' },
      );
    },
  });
  const node = new SingleNodeLog<Result>(storage, options);
  const identity = await node.open();
  if (identity.nodeId !== options.nodeId) {
    await node.close();
    throw new ZkraftError(
      'config_invalid',
      `node_id is "${options.nodeId}", but ${options.dir} belongs to node "${identity.nodeId}"; ` +
        'set node_id back, or name another raft directory',
      { field: 'coordinator.raft.node_id' },
    );
  }
  return node;
}
