/** The wire between workers and coordinators: generated messages and stubs, and how errors cross it. See README.md. */
export * from './errors.ts';
export * from './gen/zkraft/v1/worker.ts';
