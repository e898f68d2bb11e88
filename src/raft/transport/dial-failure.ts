/** Why a dial came to nothing, in words for whoever has to mend it: gRPC's own are about itself. */
import { ZkraftError } from '../../common/index.ts';
import { fromServiceError, RemoteError } from '../../common/rpc/index.ts';
import type { TransportSecurity } from './security.ts';
import { type Dialler, NODE, ownCertificateProblem, tellTlsFailure, tlsFailureIn } from './tls-failure.ts';

/** A connection that ended before HTTP/2 began, in gRPC's word or the system's: so does one whose certificate is not taken. */
const HUNG_UP = /Failed to connect|ECONNRESET|EPIPE/;

/** What the other side said in so many words; else `peer_refused` when a certificate is wrong, or `peer_unreachable`. */
export function dialFailure(
  thrown: unknown,
  address: string,
  security: TransportSecurity,
  dialler: Dialler = NODE,
): ZkraftError {
  if (thrown instanceof ZkraftError && !(thrown instanceof RemoteError)) return thrown;
  const remote = fromServiceError(thrown);
  if (remote.code !== 'coordinator_unavailable' && remote.code !== 'cancelled' && remote.code !== 'internal')
    return remote;
  const text = withoutFrame(remote.message);
  const isHungUp = HUNG_UP.test(text);
  if (security.mode === 'mutual-tls') {
    const failure = tlsFailureIn(text);
    if (failure !== undefined) return refused(tellTlsFailure(failure, `the node at ${address}`, dialler), thrown);
    const own = ownCertificateProblem(security, new Date(), dialler);
    if (own !== undefined && isHungUp) return refused(`${address} hung up: ${own}`, thrown);
  }
  return new ZkraftError('peer_unreachable', isHungUp ? hungUp(address, security, dialler) : silent(address, text), {
    cause: thrown,
  });
}

/** The system there says that no process listens at that address. */
export const isNobodyThere = (failure: ZkraftError): boolean => /\bECONNREFUSED\b/.test(failure.message);

const silent = (address: string, text: string): string =>
  `nothing answers at ${address} (${text}); see that the node runs, and that this is its Raft address`;

const hungUp = (address: string, { mode }: TransportSecurity, { plainRemedy }: Dialler): string =>
  mode === 'insecure'
    ? `${address} hangs up when it is spoken to in plain text; if its cluster has certificates, ${plainRemedy}`
    : `${address} hung up before anything was said; its log, and zkraft raft status there, say why. It may not take this ` +
      'certificate: both sides need one of the same authority';

/** Of gRPC's text what differs: its frame says nothing, and its clock would make one and the same failure look new. */
const withoutFrame = (text: string): string =>
  (/Last error: (?:Error: )?(.*?)\.? Resolution note/s.exec(text)?.[1] ?? text)
    .replace(/ \(\d{4}-[-\d:.TZ]+\)/, '')
    .trim();

const refused = (why: string, cause: unknown): ZkraftError => new ZkraftError('peer_refused', why, { cause });
