/** A network for one scenario: started, stopped cleanly, removed; kept to be looked at when something went wrong. */
import { closeSnarkjs } from '../support/snarkjs-oracle.ts';
import { Network, type NetworkOptions } from './network.ts';
import { DEPTH } from './waits.ts';

export interface OneNetworkOptions extends Pick<NetworkOptions, 'preload'> {
  readonly say: (line: string) => void;
}

/** What is asked of a network once all its parts have ended by themselves. */
export interface Ending {
  readonly states: { readonly compared: number; readonly wrong: readonly string[] };
  readonly faultsLogged: readonly string[];
}

export async function onNetwork<T>(
  { say, ...more }: OneNetworkOptions,
  body: (network: Network) => Promise<T>,
): Promise<T & Ending> {
  let accident: Error | undefined;
  const network = await Network.prepare({
    depths: [DEPTH],
    ...more,
    onAccident: (error) => {
      accident = error;
    },
  });
  const onExit = (): void => network.killAll();
  process.once('exit', onExit);
  let isOver = false;
  try {
    await network.start();
    const seen = await body(network);
    await network.stop();
    if (accident !== undefined) throw accident;
    isOver = true;
    return { ...seen, states: network.comparedStates(), faultsLogged: network.faultsLogged() };
  } finally {
    await network.endAll();
    process.off('exit', onExit);
    if (isOver) await network.remove();
    else say(`logs and data are kept in ${network.dir}`);
    await closeSnarkjs();
  }
}
