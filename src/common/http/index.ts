/** What every HTTP face of zkraft shares: server, errors, limits, binding. See README.md. */
export { type ErrorAnswer, errorAnswer } from './error-answer.ts';
export { parseJsonBody } from './json-body.ts';
export { type Listening, type ListenOptions, listenHttp } from './listen.ts';
export {
  addProcessRoutes,
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
  type TlsIdentity,
} from './server.ts';
