/** Whom `zkraft top` asks: addresses that are given, those of a cluster on this machine, or those of the settings. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import { ZkraftError } from '../../common/index.ts';
import { type Config, loadConfig } from '../../config/index.ts';
import { lastRecord } from '../cluster/record.ts';
import { coordinatorCredentials } from '../worker.ts';

export interface TopTargets {
  /** URLs of their HTTP ports. */
  readonly coordinators: readonly string[];
  readonly gateways: readonly string[];
  readonly workers: readonly string[];
  readonly metricsPath: string;
  /** For the admin service of the leader, whose address the coordinators tell. */
  readonly adminToken: string;
  readonly credentials: ChannelCredentials | undefined;
}

export interface GivenTargets {
  readonly coordinators: readonly string[];
  readonly gateways: readonly string[];
  readonly workers: readonly string[];
  /** Folder of a cluster on this machine. */
  readonly dir: string | undefined;
}

const TARGETS_MAX = 200;

/** Throws `usage` for what is no address, `cluster_not_running`, `config_invalid`. */
export function topTargets(given: GivenTargets, config: Config): TopTargets {
  const some = [...given.coordinators, ...given.gateways, ...given.workers];
  if (some.length > TARGETS_MAX) throw new ZkraftError('usage', `${some.length} addresses; the most is ${TARGETS_MAX}`);
  if (given.dir !== undefined && some.length > 0) {
    throw new ZkraftError('usage', '--dir names all addresses of its cluster; give it, or addresses', { field: 'dir' });
  }
  const common = { metricsPath: config.get('metrics.path'), adminToken: config.get('coordinator.admin_token') };
  if (given.dir !== undefined) return { ...common, ...clusterTargets(given.dir) };
  const credentials = coordinatorCredentials(config);
  if (some.length > 0) {
    const urls = (flag: 'coordinator' | 'gateway' | 'worker', all: readonly string[]) =>
      all.map((one) => urlOf(one, flag));
    return {
      ...common,
      coordinators: urls('coordinator', given.coordinators),
      gateways: urls('gateway', given.gateways),
      workers: urls('worker', given.workers),
      credentials,
    };
  }
  const here = (host: string, port: number, scheme = 'http'): string =>
    `${scheme}://${['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host}:${port}`;
  const scheme = config.get('server.tls_cert_file') === '' ? 'http' : 'https';
  return {
    ...common,
    coordinators: [here(config.get('coordinator.http_host'), config.get('coordinator.http_port'))],
    gateways: [here(config.get('server.host'), config.get('server.port'), scheme)],
    workers: [],
    credentials,
  };
}

/** A worker's certificate opens the port at which the leader is asked. */
function clusterTargets(dir: string): Omit<TopTargets, 'metricsPath' | 'adminToken'> {
  const record = lastRecord(dir);
  if (record === undefined) {
    throw new ZkraftError('cluster_not_running', `no cluster runs from ${dir}; start one: zkraft cluster up`, {
      field: 'dir',
    });
  }
  const of = (wanted: string): string[] => record.processes.filter(({ kind }) => kind === wanted).map(({ url }) => url);
  const file = record.processes.find(({ kind }) => kind === 'worker')?.settingsFile;
  return {
    coordinators: of('coordinator'),
    gateways: of('gateway'),
    workers: of('worker'),
    credentials: file === undefined ? undefined : coordinatorCredentials(loadConfig({ flags: {}, env: {}, file })),
  };
}

function urlOf(address: string, flag: string): string {
  const refused = (): ZkraftError =>
    new ZkraftError('usage', `--${flag} ${address} is no address; give http://host:port`, { field: flag });
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//.test(address) ? address : `http://${address}`);
  } catch {
    throw refused();
  }
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '') throw refused();
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
