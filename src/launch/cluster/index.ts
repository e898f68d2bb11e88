/** A cluster of separate processes on this machine. See ../README.md. */
export { stopCluster } from './down.ts';
export type { ClusterPorts, ClusterShape } from './plan.ts';
export { type ClusterStatus, clusterStatus, type ProcessStatus } from './status.ts';
export { type ClusterOptions, launchCluster, type RunningCluster } from './up.ts';
