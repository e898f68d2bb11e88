/** The HTTP gateway. See README.md. */
export { ANONYMOUS_OWNER, type ApiKey, type Authenticator, type Identity, type KeyLookup } from './authentication.ts';
export { type Gateway, startGateway } from './gateway.ts';
export type { AuthenticationOptions, CorsOptions, GatewayOptions, RateLimitOptions } from './options.ts';
