/** The faces of a coordinator: gRPC for workers, HTTP for operators. See README.md. */
export * from './admin-service.ts';
export * from './artifact-sender.ts';
export * from './grpc-server.ts';
export * from './http.ts';
export * from './reports.ts';
export * from './statement-check.ts';
export * from './task-streams.ts';
export * from './verification.ts';
export * from './worker-auth.ts';
export * from './worker-service.ts';
