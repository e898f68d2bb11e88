/** The wire between workers and coordinators: generated messages and stubs, and how errors cross it. See README.md. */
export * from './errors.ts';
export * as raftAdmin from './gen/zkraft/raft/v1/admin.ts';
export * as raftPeer from './gen/zkraft/raft/v1/raft.ts';
export {
  AdminServiceClient,
  type AdminServiceServer,
  AdminServiceService,
  type WorkerInfo,
  type WorkerLease,
} from './gen/zkraft/v1/admin.ts';
export * from './gen/zkraft/v1/worker.ts';
export * from './worker-key.ts';
